import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Registry } from 'prom-client'
import { expect, test, vi } from 'vitest'
import { AgentBench, entryOf, patience } from '../../test/support/agent-bench.ts'
import { silentLogger } from '../agent/logger.ts'
import { ContentStore } from '../artifacts/content-store.ts'
import { fetchFromPath } from '../artifacts/file-source.ts'
import type { StoredAdapter } from '../artifacts/types.ts'
import { FileCollector } from './file-collector.ts'

const fixtures = fileURLToPath(new URL('../../test/fixtures/adapters/', import.meta.url))
const names = ['acme-tickets', 'globex-shout', 'initech-initials']

/** An agent whose engine has room for one adapter, over a real store. */
async function bed() {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-files-'))
  const store = await ContentStore.open(folder)
  const bring = async (name: string): Promise<StoredAdapter> => {
    const path = join(fixtures, name)
    const outcome = await fetchFromPath({ path, store, shown: name })
    expect(outcome.outcome).toBe('Stored')
    return outcome.outcome === 'Stored' ? outcome.adapter : { digest: '', path: '', sizeBytes: 0 }
  }
  const adapters = await Promise.all(names.map(bring))
  const fetched: string[] = []
  const bench = await AgentBench.create({
    maxLoras: 1,
    maxCpuLoras: 1,
    agent: {
      adapters: {
        get: (digest) => store.get(digest),
        fetch: async (digest) => {
          fetched.push(digest)
          const at = adapters.findIndex((it) => it.digest === digest)
          return { outcome: 'Stored', adapter: await bring(names[at] ?? '') }
        },
      },
      times: { leaseMs: 0, keepFilesMs: 0, retiredIdleMs: 0, firstRetryMs: 20 },
    },
  })
  await bench.start()
  const free = { share: 1 }
  const registry = new Registry()
  const collector = new FileCollector({
    agent: bench.agent,
    store,
    logger: silentLogger,
    registry,
    everyMs: 3_600_000,
    freeShareOf: () => Promise.resolve(free.share),
  })
  return {
    bench,
    adapters,
    fetched,
    free,
    registry,
    collect: () => collector.collect(),
    stored: async () => (await store.list()).map(({ digest }) => digest),
    [Symbol.asyncDispose]: async () => {
      await collector.close()
      await bench[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

test('while the disk is short, what is merely allowed goes, and comes again when it is asked for', async () => {
  await using it = await bed()
  const { bench, adapters } = it
  const revisions = adapters.map((adapter) => entryOf(adapter, 'Loaded').revision)
  // One after the other on the engine, which keeps the last one.
  for (const index of adapters.keys()) {
    const entries = adapters.map((one, at) => entryOf(one, at === index ? 'Loaded' : 'Allowed'))
    await bench.agent.setDesired({ term: 1, sequence: index, entries })
    await bench.become([revisions[index] ?? ''], 'Routable')
  }
  await it.collect()
  expect((await it.stored()).length).toBe(3)
  it.free.share = 0.1
  await it.collect()
  expect(await it.stored()).toEqual([adapters[2]?.digest])
  expect(bench.statesOf(revisions)).toEqual(['Absent', 'Absent', 'Routable'])
  expect(await it.registry.metrics()).toContain('loraplex_replica_files_removed_total 2')
  expect(await it.registry.metrics()).toContain(
    `loraplex_replica_files_bytes ${adapters[2]?.sizeBytes}`,
  )
  const first = adapters.map((one, at) => entryOf(one, at === 0 ? 'Loaded' : 'Allowed'))
  await bench.agent.setDesired({ term: 1, sequence: 9, entries: first })
  await bench.become([revisions[0] ?? ''], 'Routable')
  expect(it.fetched).toEqual([adapters[0]?.digest])
})

test('a revision that was retired leaves no files once the engine has let go of it', async () => {
  await using it = await bed()
  const { bench, adapters } = it
  await bench.become(await bench.want([adapters[0] as StoredAdapter]), 'Routable')
  await bench.want([])
  await vi.waitFor(async () => {
    await it.collect()
    expect(await it.stored()).toEqual([])
  }, patience)
})
