import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { request } from 'undici'
import { expect, test } from 'vitest'
import { startDepot } from '../../test/support/start-depot.ts'
import { createDepotClient } from '../wire/depot-client.ts'
import { controllerToken } from '../wire/internal-auth.ts'

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url))
const never = new AbortController().signal

test('a depot tells what it holds, what it may hold, and what waits', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-depot-process-'))
  const secret = Buffer.alloc(32, 9)
  await writeFile(join(folder, 'secret'), secret)
  const depot = await startDepot({
    cacheFolder: join(folder, 'cache'),
    cacheBytes: 10_000_000,
    secretFile: join(folder, 'secret'),
    sources: { fileRoots: [fixtures] },
  })
  const client = createDepotClient({ url: depot.url, token: controllerToken(secret) })
  const metric = async (name: string) => {
    const { body } = await request(`${depot.adminUrl}/metrics`)
    const text = await body.text()
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1],
    )
  }
  try {
    expect(await metric('loraplex_depot_cache_bytes')).toBe(0)
    const uri = pathToFileURL(join(fixtures, 'adapters/acme-tickets')).href
    const origin = { poolKey: 'team/pool', namespace: 'acme' }
    const fetched = await client.fetch({ uri, expectedDigest: undefined, origin }, never)
    const sizeBytes = fetched.outcome === 'Stored' ? fetched.adapter.sizeBytes : 0
    expect(sizeBytes).toBeGreaterThan(0)
    expect(await metric('loraplex_depot_cache_bytes')).toBe(sizeBytes)
    expect(await metric('loraplex_depot_cache_limit_bytes')).toBe(9_000_000)
    for (const name of ['fetches_in_flight', 'fetches_waiting', 'preflights_waiting']) {
      expect(await metric(`loraplex_depot_${name}`)).toBe(0)
    }
    expect(await metric('loraplex_depot_removed_total{kind="contents"}')).toBe(0)
  } finally {
    await client.close()
    await depot.close()
    await rm(folder, { recursive: true, force: true })
  }
})
