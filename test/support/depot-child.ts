// A depot of its own process, to be killed: node depot-child.ts CACHE PORT. Sources are at adapters.test.
import process from 'node:process'
import { pino } from 'pino'
import { createDepotServer } from '../../src/artifacts/depot/depot-server.ts'
import { Depot } from '../../src/artifacts/depot/depot.ts'
import { adaptersTestSource } from './adapters-test-source.ts'

const [cacheFolder = '', port = '0'] = process.argv.slice(2)
const depot = await Depot.open({ cacheFolder, sources: adaptersTestSource })
const logger = pino({ level: 'silent' })
const server = await createDepotServer({ depot, secret: Buffer.alloc(32, 7), logger })
const url = await server.listen({ host: '127.0.0.1', port: Number(port) })
process.stdout.write(`${url}\n`)
