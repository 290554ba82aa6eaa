// One namespace's slow sources, or its many, are no other namespace's wait.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { adaptersTestSource } from '../../../test/support/adapters-test-source.ts'
import { serveFiles } from '../../../test/support/https-files.ts'
import { createDepotClient } from '../../wire/depot-client.ts'
import { controllerToken } from '../../wire/internal-auth.ts'
import { adapterFileNames } from '../adapter-files.ts'
import type { PreflightOptions } from '../types.ts'
import { createDepotServer } from './depot-server.ts'
import { Depot, type DepotOptions } from './depot.ts'

const good = fileURLToPath(
  new URL('../../../test/fixtures/adapters/acme-tickets/', import.meta.url),
)
const secret = Buffer.alloc(32, 7)
const never = new AbortController().signal
const poolKey = 'team/pool'
const preflightOptions: PreflightOptions = {
  baseModelPath: undefined,
  baseModelNames: [],
  baseModelCheck: 'Warn',
  maxRank: 64,
  dtype: 'Auto',
}

/** `/slow/…` sends a byte every 20 ms without end, `/good/…` an adapter. */
async function bed(changes: Partial<DepotOptions> = {}, pace?: object) {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-fair-'))
  const source = await serveFiles()
  for (const name of adapterFileNames) {
    source.files.set(`/good/${name}`, await readFile(join(good, name)))
  }
  source.before = ({ url = '' }, response) => {
    if (!url.startsWith('/slow/')) {
      return false
    }
    response.writeHead(200)
    const timer = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(timer))
    return true
  }
  const depot = await Depot.open({
    cacheFolder: join(folder, 'cache'),
    ...changes,
    sources: {
      ...adaptersTestSource,
      ...(pace === undefined ? {} : { pace }),
    },
  })
  const server = await createDepotServer({ depot, secret, logger: pino({ level: 'silent' }) })
  await server.listen({ host: '127.0.0.1', port: 0 })
  const url = `http://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  const client = createDepotClient({ url, token: controllerToken(secret) })
  const given = new AbortController()
  const originOf = (namespace: string) => ({
    poolKey,
    namespace,
    secret: { namespace, name: 'files' },
  })
  return {
    depot,
    client,
    source,
    originOf,
    cache: join(folder, 'cache', 'adapters'),
    fetch: (namespace: string, path: string, signal: AbortSignal = given.signal) =>
      client.fetch(
        { uri: source.url(path), expectedDigest: undefined, origin: originOf(namespace) },
        signal,
      ),
    [Symbol.asyncDispose]: async () => {
      given.abort()
      await client.close()
      await server.close()
      await depot.close()
      await source[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

test.each([
  ['twenty slow sources', 20],
  ['more than there are connections', 100],
])('%s of one namespace do not hold up another’s adapter', async (_, count) => {
  await using it = await bed()
  const slow = Array.from({ length: count }, (__, index) => it.fetch('hog', `/slow/${index}/`))
  const ended = Promise.allSettled(slow)
  await vi.waitFor(() => expect(it.depot.fetching).toBe(8), 5000)
  const startMs = performance.now()
  expect(await it.fetch('acme', '/good/')).toMatchObject({ outcome: 'Stored' })
  expect(performance.now() - startMs).toBeLessThan(2000)
  // Half of the places, and the slow ones are at it still.
  expect(it.depot.fetching).toBe(8)
  await it.client.close()
  await ended
})

test('a source that sends a little at a time ends, says why, and leaves nothing behind', async () => {
  await using it = await bed({}, { windowMs: 500 })
  const outcome = await it.fetch('hog', '/slow/1/')
  expect(outcome).toMatchObject({ outcome: 'Failed', problem: { reason: 'SourceTooSlow' } })
  expect(outcome.outcome === 'Failed' ? outcome.problem.message : '').toContain('64 KiB a second')
  expect(await readdir(it.cache)).toEqual([])
  expect(await it.fetch('hog', '/good/')).toMatchObject({ outcome: 'Stored' })
})

test('many checks of one namespace do not hold up another’s', async () => {
  await using it = await bed({ maxPreflights: 1 })
  const fetched = await it.fetch('acme', '/good/')
  const digest = fetched.outcome === 'Stored' ? fetched.adapter.digest : ''
  const order: string[] = []
  // Each question is another one, or the answer would be remembered.
  const check = async (namespace: string, maxRank: number) => {
    const origin = { origin: it.originOf(namespace) }
    await it.client.preflight(digest, { ...preflightOptions, maxRank }, never, origin)
    order.push(namespace)
  }
  const hog = Array.from({ length: 30 }, (_, index) => check('hog', 100 + index))
  await vi.waitFor(() => expect(it.depot.waiting.preflights).toBeGreaterThan(20), 5000)
  await check('acme', 200)
  const before = order.indexOf('acme')
  await Promise.all(hog)
  expect(before).toBeLessThan(10)
})
