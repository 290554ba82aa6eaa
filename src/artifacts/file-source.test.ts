import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { ContentStore } from './content-store.ts'
import { digestFolder } from './digest.ts'
import { fetchFromFile } from './file-source.ts'
import type { FileFetch } from './file-source.ts'
import { fillFromFolder } from './folder-source.ts'
import { removeFolder } from './staging-folder.ts'
import type { FetchOutcome } from './types.ts'

const good = join(import.meta.dirname, '../../test/fixtures/adapters/acme-tickets')
const made: string[] = []
let work: string
let root: string
let store: ContentStore
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'loraplex-source-'))
  made.push(work)
  root = join(work, 'store')
  store = await ContentStore.open(root)
})
afterAll(async () => {
  for (const folder of made) {
    execFileSync('chmod', ['-R', 'u+w', folder])
    await removeFolder(folder)
  }
})

function fetch(uri: string, more: Partial<FileFetch> = {}): Promise<FetchOutcome> {
  return fetchFromFile({ uri, baseFolder: work, store, ...more })
}

function reasonOf(outcome: FetchOutcome): string {
  return outcome.outcome === 'Stored' ? 'Stored' : outcome.problem.reason
}

/** `work/adapter`, with the config's text as given. */
async function aFolder(config = '{"r":8}', weights = 'weights'): Promise<string> {
  const folder = join(work, 'adapter')
  await mkdir(folder)
  await writeFile(join(folder, 'adapter_config.json'), config)
  await writeFile(join(folder, 'adapter_model.safetensors'), weights)
  return folder
}

describe('a folder', () => {
  it('is stored with its two files alone', async () => {
    const folder = join(work, 'adapter')
    await cp(good, folder, { recursive: true })
    await writeFile(join(folder, 'README.md'), 'not part of it')
    const want = await digestFolder(good)
    expect(await fetch('file:./adapter')).toMatchObject({
      outcome: 'Stored',
      adapter: { digest: want },
    })
    expect(await readdir(join(root, want))).toHaveLength(2)
    expect(await readdir(root)).toEqual([want])
  })

  it('is found by every kind of URI', async () => {
    const folder = await aFolder()
    await mkdir(join(work, 'yaml'))
    await rename(folder, join(work, 'an adapter'))
    const url = pathToFileURL(join(work, 'an adapter')).href
    for (const uri of [
      url,
      url.replace('file://', 'file:'),
      'file:./an%20adapter/',
      'file:../adapter'.replace('adapter', 'an adapter'),
    ]) {
      expect(
        reasonOf(
          await fetch(uri, { baseFolder: uri.startsWith('file:..') ? join(work, 'yaml') : work }),
        ),
        uri,
      ).toBe('Stored')
    }
  })

  it.each([
    'file:adapter',
    'adapter',
    'https://x/y',
    'file://host/adapter',
    'file:./a%00b',
    'file:./%E0%A4%A',
    'file:///a?b',
    'file:',
  ])('is not found by %s', async (uri) => {
    expect(reasonOf(await fetch(uri))).toBe('SourceInvalid')
  })

  it('that is not there is said so', async () => {
    expect(reasonOf(await fetch('file:./nowhere'))).toBe('SourceNotFound')
    await writeFile(join(work, 'a-file'), '')
    expect(reasonOf(await fetch('file:./a-file'))).toBe('SourceInvalid')
    expect(reasonOf(await fetch('file:./a-file/x'))).toBe('SourceNotFound')
  })

  it.each([
    ['no-weights', 'WeightsMissing'],
    ['pickled', 'PickledWeights'],
  ])('%s is refused for %s', async (name, want) => {
    const uri = `file:./adapters-broken/${name}`
    expect(reasonOf(await fetch(uri, { baseFolder: join(good, '../..') }))).toBe(want)
    expect(await readdir(root)).toEqual([])
  })

  it('without a config is refused', async () => {
    await mkdir(join(work, 'empty'))
    expect(reasonOf(await fetch('file:./empty'))).toBe('ConfigMissing')
  })

  it('is bounded in bytes', async () => {
    await aFolder('{"r":8}', 'x'.repeat(1_000))
    expect(reasonOf(await fetch('file:./adapter', { maxBytes: 1_006 }))).toBe('AdapterTooLarge')
    expect(reasonOf(await fetch('file:./adapter', { maxBytes: 1_007 }))).toBe('Stored')
    await writeFile(join(work, 'adapter/adapter_config.json'), 'x'.repeat(256 * 1024 + 1))
    expect(reasonOf(await fetch('file:./adapter'))).toBe('ConfigTooLarge')
  })

  it('must be what the digest names', async () => {
    const folder = await aFolder()
    const digest = await digestFolder(folder)
    expect(reasonOf(await fetch('file:./adapter', { expectedDigest: '0'.repeat(64) }))).toBe(
      'DigestMismatch',
    )
    expect(reasonOf(await fetch('file:./adapter', { expectedDigest: 'abc' }))).toBe('SourceInvalid')
    expect(reasonOf(await fetch('file:./adapter', { expectedDigest: `sha256:${digest}` }))).toBe(
      'Stored',
    )
  })

  it('may link to files beside them and to the blobs of a Hugging Face cache', async () => {
    const folder = await aFolder()
    await rename(join(folder, 'adapter_config.json'), join(folder, 'other.json'))
    await symlink('other.json', join(folder, 'adapter_config.json'))
    expect(reasonOf(await fetch('file:./adapter'))).toBe('Stored')

    const snapshot = join(work, 'models--org--name/snapshots/0123')
    await mkdir(snapshot, { recursive: true })
    await mkdir(join(snapshot, '../../blobs'))
    for (const [name, text] of [
      ['adapter_config.json', '{}'],
      ['adapter_model.safetensors', 'w'],
    ] as const) {
      await writeFile(join(snapshot, '../../blobs', text.length.toString()), text)
      await symlink(`../../blobs/${text.length}`, join(snapshot, name))
    }
    expect(reasonOf(await fetch('file:./models--org--name/snapshots/0123'))).toBe('Stored')
  })

  it('may be a volume of a ConfigMap, whose files are links to the data of the day', async () => {
    const folder = await aFolder()
    await mkdir(join(folder, '..2026_11_21'))
    await symlink('..2026_11_21', join(folder, '..data'))
    for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
      await rename(join(folder, name), join(folder, '..2026_11_21', name))
      await symlink(join('..data', name), join(folder, name))
    }
    expect(reasonOf(await fetch('file:./adapter'))).toBe('Stored')
  })

  it.each(['/etc/passwd', '../secret', '../adapter-other/secret', '/proc/self/environ'])(
    'may not link to %s',
    async (target) => {
      const folder = await aFolder()
      await mkdir(join(work, 'adapter-other'))
      await writeFile(join(work, 'secret'), '{}')
      await writeFile(join(work, 'adapter-other/secret'), '{}')
      await removeFolder(join(folder, 'adapter_config.json'))
      await symlink(target, join(folder, 'adapter_config.json'))
      expect(reasonOf(await fetch('file:./adapter'))).toBe('SourceUnsafe')
      expect(await readdir(root)).toEqual([])
    },
  )

  it('holds nobody up with a pipe, a folder, a device or a loop in place of a file', async () => {
    const folder = await aFolder()
    const config = join(folder, 'adapter_config.json')
    const swaps: readonly (() => unknown)[] = [
      () => execFileSync('mkfifo', [config]),
      () => mkdir(config),
      () => symlink('/dev/zero', config),
      () => symlink('adapter_config.json', config),
    ]
    for (const swap of swaps) {
      await removeFolder(config)
      await swap()
      expect(reasonOf(await fetch('file:./adapter')), swap.toString()).toBe('SourceUnsafe')
    }
    await removeFolder(config)
    await symlink('nowhere', config)
    expect(reasonOf(await fetch('file:./adapter'))).toBe('ConfigMissing')
  })

  it('that is being written never enters the store half', async () => {
    const folder = await aFolder('{"r":8}', 'a'.repeat(2 << 20))
    const weights = join(folder, 'adapter_model.safetensors')
    const file = await open(weights, 'r+')
    const writing = new AbortController()
    // Rewrites the same size in place, as fast as it can.
    const writer = (async () => {
      for (let round = 0; !writing.signal.aborted; round++) {
        await file.write(Buffer.alloc(2 << 20, 97 + (round % 26)), 0, 2 << 20, 0)
      }
    })()
    const outcomes: string[] = []
    for (let round = 0; round < 6; round++) {
      outcomes.push(reasonOf(await fetch('file:./adapter')))
    }
    writing.abort()
    await writer
    await file.close()
    expect(outcomes).toContain('SourceChanged')
    expect(new Set(outcomes).size).toBeLessThanOrEqual(2)
    for (const { path } of await store.list()) {
      // Whatever was stored is of one round: a single letter throughout.
      const text = await readFile(join(path, 'adapter_model.safetensors'), 'latin1')
      expect(text).toBe(text[0]?.repeat(2 << 20))
    }
  })

  it('that grows or is replaced while it is read has changed', async () => {
    const folder = await aFolder()
    const changes: readonly (() => Promise<unknown>)[] = [
      () => appendFile(join(folder, 'adapter_model.safetensors'), 'more'),
      async () => {
        await writeFile(join(folder, 'new'), '{"r":9}')
        await rename(join(folder, 'new'), join(folder, 'adapter_config.json'))
      },
      () => removeFolder(join(folder, 'adapter_model.safetensors')),
    ]
    for (const change of changes) {
      // Between the copy and its comparison: the store's rename is not reached.
      const outcome = await store.put(async (staging) => {
        const write = staging.write.bind(staging)
        staging.write = async (name, content, maxBytes) => {
          const written = await write(name, content, maxBytes)
          if (name === 'adapter_model.safetensors') {
            await change()
          }
          return written
        }
        return fillFromFolder(staging, { folder, maxBytes: 1_000, signal: undefined })
      })
      expect(reasonOf(outcome), change.toString()).toBe('SourceChanged')
    }
    expect(await readdir(root)).toEqual([])
  })

  it('is given up when the signal says so, without a trace', async () => {
    await aFolder('{}', 'x'.repeat(4 << 20))
    const reason = new Error('no longer wanted')
    await expect(fetch('file:./adapter', { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    expect(await readdir(root)).toEqual([])
  })
})

const canMount =
  spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt']).status === 0

describe('a full disk', () => {
  it.skipIf(!canMount)('is a failure worth another try and leaves nothing', async () => {
    await aFolder('{}', 'x'.repeat(4 << 20))
    const script = `
      const { mkdirSync, readdirSync } = await import('node:fs')
      const { ContentStore } = await import(${JSON.stringify(new URL('content-store.ts', import.meta.url).href)})
      const { fetchFromFile } = await import(${JSON.stringify(new URL('file-source.ts', import.meta.url).href)})
      const store = await ContentStore.open('/mnt/store')
      const outcome = await fetchFromFile({ uri: 'file:./adapter', baseFolder: ${JSON.stringify(work)}, store })
      console.log(JSON.stringify({ outcome, left: readdirSync('/mnt/store') }))`
    const command = 'mount -t tmpfs -o size=1m tmpfs /mnt && exec "$0" --input-type=module -e "$1"'
    const result = spawnSync('unshare', ['-rm', 'sh', '-c', command, process.execPath, script], {
      encoding: 'utf8',
    })
    expect(JSON.parse(result.stdout)).toMatchObject({
      outcome: { outcome: 'Failed', problem: { reason: 'StorageFull' } },
      left: [],
    })
  })
})
