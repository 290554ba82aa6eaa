import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { postgresPrograms, PostgresServer } from '../../../test/support/postgres-server.ts'
import { aRecord, usageContract } from '../../../test/support/usage-contract.ts'
import { MemoryUsage } from './memory-usage.ts'
import { PostgresUsage } from './postgres-usage.ts'
import { SqliteUsage } from './sqlite-usage.ts'
import { usageGroups } from './types.ts'

const all = { fromMs: 0, toMs: 10_000, groupBy: [], limit: 10 } as const

describe('in memory', () => {
  usageContract(async () => new MemoryUsage())

  test('the oldest records go when there are too many', async () => {
    const store = new MemoryUsage(2)
    await store.append([aRecord({ outputTokens: 1 }), aRecord(), aRecord()])
    expect(await store.query(all)).toMatchObject([{ requests: 2n, outputTokens: 20n }])
  })
})

describe('in SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-usage-'))
  afterAll(() => rm(folder, { recursive: true }))
  let files = 0
  const newFile = (): string => join(folder, `usage-${(files += 1)}.db`)

  usageContract(async () => {
    const store = new SqliteUsage(newFile())
    onTestFinished(() => store.close())
    return store
  })

  test('queries run beside the event loop, one after the other, and at most so many wait', async () => {
    const store = new SqliteUsage(newFile())
    onTestFinished(() => store.close())
    await store.append(Array.from({ length: 20_000 }, () => aRecord()))
    const query = { ...all, groupBy: [...usageGroups] }
    const before = process.threadCpuUsage()
    const answers = await Promise.allSettled(Array.from({ length: 40 }, () => store.query(query)))
    const { user, system } = process.threadCpuUsage(before)
    const answered = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? [answer.value] : [],
    )
    expect(answered).toHaveLength(32)
    for (const rows of answered) {
      expect(rows).toMatchObject([{ requests: 20_000n }])
    }
    // In this thread they take some 600 ms; what is left to it is 10 ms, and the garbage of the records.
    expect((user + system) / 1000).toBeLessThan(250)
    expect(await store.query(query)).toHaveLength(1)
  })

  test('records outlive the process', async () => {
    const path = newFile()
    const first = new SqliteUsage(path)
    await first.append([aRecord()])
    await first.close()
    const second = new SqliteUsage(path)
    expect(await second.query(all)).toMatchObject([{ requests: 1n }])
    await second.close()
  })
})

describe.skipIf(postgresPrograms === undefined)('in a real Postgres', () => {
  let server: PostgresServer
  let schemas = 0
  beforeAll(async () => {
    server = await PostgresServer.start(['fsync=off'])
  })
  afterAll(() => server.stop())

  usageContract(async () => {
    const schema = `usage_${(schemas += 1)}`
    const [store, other] = await Promise.all(
      [1, 2].map(() => PostgresUsage.open({ url: server.url, schema, maxConnections: 2 })),
    )
    onTestFinished(async () => {
      await store?.close()
      await other?.close()
    })
    return store!
  })
})
