// A depot is killed while it fetches: nothing half done stays, and the adapter is accepted after all.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { serveFiles } from '../../../test/support/https-files.ts'
import { AdapterIntake } from '../../controller/lora-adapter/intake.ts'
import { createDepotClient } from '../../wire/depot-client.ts'
import { controllerToken } from '../../wire/internal-auth.ts'
import { adapterFileNames } from '../adapter-files.ts'
import { digestFolder } from '../digest.ts'

const good = fileURLToPath(
  new URL('../../../test/fixtures/adapters/acme-tickets/', import.meta.url),
)
const child = fileURLToPath(new URL('../../../test/support/depot-child.ts', import.meta.url))
const patience = { timeout: 20_000, interval: 20 }

async function startDepot(cache: string, port = 0) {
  const running = spawn(process.execPath, [child, cache, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = (await once(running.stdout, 'data')) as [Buffer]
  return {
    url: said.toString().trim(),
    kill: async () => {
      const gone = once(running, 'exit')
      running.kill('SIGKILL')
      await gone
    },
  }
}

test('a depot that is killed while it fetches leaves nothing half done, and the fetch is made again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-crash-'))
  const cache = join(folder, 'cache')
  const inCache = () => readdir(join(cache, 'adapters'))
  await using source = await serveFiles()
  for (const name of adapterFileNames) {
    source.files.set(`/a/${name}`, await readFile(join(good, name)))
  }
  // The weights come up to their middle.
  const half = source.files.get('/a/adapter_model.safetensors')?.subarray(0, 100_000)
  source.before = ({ url = '' }, response) => {
    if (!url.endsWith('.safetensors') || half === undefined) {
      return false
    }
    response.writeHead(200, { 'content-length': 1_000_000 }).write(half)
    return true
  }
  let depot = await startDepot(cache)
  const client = createDepotClient({ url: depot.url, token: controllerToken(Buffer.alloc(32, 7)) })
  const intake = new AdapterIntake({
    fetch: (order, signal) => client.fetch(order, signal),
    stored: (digest, order) => client.stored(digest, order),
    preflight: (path, options, signal, order) => client.preflight(path, options, signal, order),
    onChange: () => undefined,
  })
  const now = () =>
    intake.of('acme/tickets', {
      uri: source.url('/a/'),
      baseFolder: '/',
      expectedDigest: undefined,
      knownDigest: undefined,
      generation: 1,
      preflight: {
        baseModelPath: undefined,
        baseModelNames: [],
        baseModelCheck: 'Warn',
        maxRank: 64,
        dtype: 'Auto',
      },
      origin: {
        poolKey: 'team/pool',
        namespace: 'acme',
        secret: { namespace: 'acme', name: 'files' },
      },
    })
  try {
    expect(now()).toMatchObject({ state: 'Pending' })
    await vi.waitFor(async () => {
      const [staging = ''] = await inCache()
      expect(await readdir(join(cache, 'adapters', staging))).toContain('adapter_model.safetensors')
    }, patience)
    await depot.kill()
    const [left = '', ...others] = await inCache()
    expect([left.slice(0, 10), others]).toEqual(['.incoming-', []])
    // In a cluster the next pod has another name, on the same claim.
    const elsewhere = left.replace(/(?<=^\.incoming-)[0-9a-f]{12}/, '0123456789ab')
    await rename(join(cache, 'adapters', left), join(cache, 'adapters', elsewhere))
    source.before = () => false
    depot = await startDepot(cache, Number(new URL(depot.url).port))
    expect(await inCache()).not.toContain(elsewhere)
    await vi.waitFor(() => expect(now()).toMatchObject({ state: 'Accepted' }), patience)
    expect(await inCache()).toEqual([await digestFolder(good)])
  } finally {
    intake.close()
    await client.close()
    await depot.kill()
    await rm(folder, { recursive: true, force: true })
  }
})
