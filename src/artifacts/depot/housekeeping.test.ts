import { readdir, mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { baseKeyOf } from '../../wire/depot-protocol.ts'
import { headersOf } from '../base-headers.ts'
import { tarOf } from './adapter-tar.ts'
import { Depot, type DepotOptions } from './depot.ts'

const fixtures = fileURLToPath(new URL('../../../test/fixtures/', import.meta.url))
const poolKey = 'team/pool'
const never = new AbortController().signal
const noAge = { minAgeMs: 0, tightAgeMs: 0, baseAgeMs: 0 }

async function bed(changes: Partial<DepotOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-housekeeping-'))
  const cacheFolder = join(folder, 'cache')
  const open = () =>
    Depot.open({
      cacheFolder,
      ...changes,
      sources: {
        fileRoots: [fixtures],
        allowPrivateHosts: new Set(),
        maxBytes: 1 << 30,
        readSecret: () => Promise.resolve(undefined),
      },
    })
  const depot = await open()
  const fetch = (name: string) =>
    depot.fetch(
      {
        uri: pathToFileURL(join(fixtures, 'adapters', name)).href,
        origin: { poolKey, namespace: 'acme' },
      },
      never,
    )
  return {
    depot,
    cacheFolder,
    open,
    fetch,
    digestOf: async (name: string) => {
      const outcome = await fetch(name)
      expect(outcome.outcome).toBe('Stored')
      return outcome.outcome === 'Stored' ? outcome.adapter.digest : ''
    },
    /** As if nobody had fetched it for so long. */
    age: async (digest: string, ageMs: number) => {
      const then = new Date(Date.now() - ageMs)
      for (const path of await pathsOf(cacheFolder, digest)) {
        await utimes(path, then, then)
      }
    },
    stored: async () =>
      (await readdir(join(cacheFolder, 'adapters'))).filter((name) => !name.startsWith('.')),
    sendBase: async (key: string) =>
      depot.putBase(key, tarOf(await headersOf(join(fixtures, 'tiny-llama')))),
    [Symbol.asyncDispose]: async () => {
      await depot.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function pathsOf(cacheFolder: string, digest: string): Promise<readonly string[]> {
  const all = await readdir(cacheFolder, { recursive: true })
  return all.filter((name) => name.endsWith(digest)).map((name) => join(cacheFolder, name))
}

/** Nearly full with acme-tickets and globex-shout, of 0.3 and 0.6 MB, and no room for initech-initials. */
const nearlyFull = { cacheBytes: 1_120_000 }

test('a cache that is full takes nothing more, and says that it is not the adapter', async () => {
  await using it = await bed(nearlyFull)
  const kept = [await it.digestOf('acme-tickets'), await it.digestOf('globex-shout')]
  const { usedBytes } = it.depot.figures
  expect(await it.fetch('initech-initials')).toMatchObject({
    outcome: 'Failed',
    problem: { reason: 'StorageFull' },
  })
  // What was written of it is gone.
  expect(it.depot.figures.usedBytes).toBe(usedBytes)
  expect((await readdir(join(it.cacheFolder, 'adapters'))).length).toBe(2)
  // What is wanted stays, whatever else wants room.
  await it.depot.retain({ pools: { [poolKey]: kept } })
  expect(await it.stored()).toEqual(kept.toSorted())
  const again = await it.open()
  expect(again.figures.usedBytes).toBe(usedBytes)
  await again.close()
})

test('while room is scarce, what nobody wants goes sooner, the least recently used first', async () => {
  const ages = { minAgeMs: 3_600_000, tightAgeMs: 1000 }
  await using it = await bed({ ...nearlyFull, ...ages })
  const old = await it.digestOf('acme-tickets')
  const older = await it.digestOf('globex-shout')
  await it.age(old, 5000)
  await it.age(older, 9000)
  // Both were used by this process just now.
  expect(await it.depot.retain({ pools: {} })).toMatchObject({ deleted: 0 })
  await using restarted = await again(it)
  expect(await restarted.depot.retain({ pools: {} })).toMatchObject({ deleted: 1 })
  expect(await it.stored()).toEqual([old])
  // There is room again, so the other one has its time.
  expect(await restarted.depot.retain({ pools: {} })).toMatchObject({ deleted: 0 })
  expect(restarted.depot.figures.removed).toEqual({ contents: 1, bases: 0 })
})

async function again(it: Awaited<ReturnType<typeof bed>>) {
  const depot = await it.open()
  return { depot, [Symbol.asyncDispose]: () => depot.close() }
}

test('never goes what an agent is reading', async () => {
  await using it = await bed(noAge)
  const digest = await it.digestOf('acme-tickets')
  const tar = await it.depot.read(poolKey, digest)
  expect(await it.depot.retain({ pools: {} })).toMatchObject({ deleted: 0 })
  let bytes = 0
  for await (const chunk of tar ?? []) {
    bytes += (chunk as Uint8Array).byteLength
  }
  expect(bytes).toBeGreaterThan(1000)
  expect(await it.depot.retain({ pools: {} })).toMatchObject({ deleted: 1 })
  expect(it.depot.figures.usedBytes).toBe(0)
})

test('the base of a pool that is gone goes when nobody has asked for it for a while', async () => {
  await using it = await bed({ baseAgeMs: 5000 })
  const key = baseKeyOf(poolKey, 'hf://org/tiny@main')
  await it.sendBase(key)
  await it.depot.retain({ pools: {} })
  expect(await it.depot.hasBase(key)).toBe(true)
  await it.age(key, 6000)
  await it.depot.retain({ pools: { [poolKey]: [] } })
  expect(await readdir(join(it.cacheFolder, 'bases'))).toEqual([key])
  // Asking for it keeps it.
  await it.depot.hasBase(key)
  await it.depot.retain({ pools: { 'team/other': [] } })
  expect(await it.depot.hasBase(key)).toBe(true)
  await it.age(key, 6000)
  await it.depot.retain({ pools: { 'team/other': [] } })
  expect(await it.depot.hasBase(key)).toBe(false)
  expect(it.depot.figures).toMatchObject({ usedBytes: 0, removed: { contents: 0, bases: 1 } })
  expect(await it.sendBase(key)).toBe('Stored')
})

test('a pool has a few bases at most, however many its agents send', async () => {
  await using it = await bed()
  const keys = Array.from({ length: 6 }, (_, index) => baseKeyOf(poolKey, `hf://org/${index}@main`))
  for (const [index, key] of keys.entries()) {
    await it.sendBase(key)
    await it.age(key, 60_000 - index * 1000)
  }
  const others = baseKeyOf('team/other', 'hf://org/tiny@main')
  await it.sendBase(others)
  expect((await readdir(join(it.cacheFolder, 'bases'))).toSorted()).toEqual(
    [...keys.slice(2), others].toSorted(),
  )
})
