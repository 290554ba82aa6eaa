import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { pack } from 'tar-stream'
import type { Header } from 'tar-stream'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { ContentStore } from './content-store.ts'
import { digestFolder } from './digest.ts'
import { fetchFromFile } from './file-source.ts'
import type { FileFetch } from './file-source.ts'
import { removeFolder } from './staging-folder.ts'
import type { FetchOutcome } from './types.ts'

const good = join(import.meta.dirname, '../../test/fixtures/adapters/acme-tickets')
const config = 'adapter_config.json'
const weights = 'adapter_model.safetensors'
const made: string[] = []
let work: string
let root: string
let store: ContentStore
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'loraplex-tar-'))
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

type TarEntry = readonly [name: string, content?: string | Buffer, header?: Partial<Header>]

function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack()
  for (const [name, content = '', header = {}] of entries) {
    archive.entry({ name, ...header }, content)
  }
  archive.finalize()
  const chunks: Buffer[] = []
  return (async () => {
    for await (const chunk of archive) {
      chunks.push(chunk as Buffer)
    }
    return Buffer.concat(chunks)
  })()
}

async function fetch(tar: Buffer, more: Partial<FileFetch> = {}): Promise<FetchOutcome> {
  await writeFile(join(work, 'x.tar.gz'), gzipSync(tar))
  return fetchWritten(more)
}

function fetchWritten(more: Partial<FileFetch> = {}): Promise<FetchOutcome> {
  return fetchFromFile({ uri: 'file:./x.tar.gz', baseFolder: work, store, ...more })
}

function reasonOf(outcome: FetchOutcome): string {
  return outcome.outcome === 'Stored' ? 'Stored' : outcome.problem.reason
}

/** A 512-byte header with any type and any size in it, right or wrong. */
function rawHeader(name: string, type: string, size: number): Buffer {
  const header = Buffer.alloc(512)
  header.write(name)
  header.write('0000644\0', 100)
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write(type, 156)
  header.write('ustar\u000000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

const pad = (content: Buffer): Buffer =>
  Buffer.concat([content, Buffer.alloc(-content.length & 511)])

// Hundreds of small files are synced to the disk, which others may keep busy.

describe('an archive by tar itself', () => {
  it.each([
    ['at its top', ['-C', good, config, weights]],
    ['at its top with ./', ['-C', good, '.']],
    ['in one folder', ['-C', join(good, '..'), 'acme-tickets']],
    ['in the pax format', ['--format=pax', '-C', good, weights, config]],
    ['in the GNU format', ['--format=gnu', '-C', join(good, '..'), 'acme-tickets']],
  ])('holds the files %s', async (_, args) => {
    execFileSync('tar', ['-czf', join(work, 'x.tar.gz'), ...args])
    expect(await fetchWritten()).toMatchObject({
      outcome: 'Stored',
      adapter: { digest: await digestFolder(good) },
    })
    expect(await readdir(root)).toHaveLength(1)
  })

  it('cut anywhere or with any bit flipped is never stored as something else', async () => {
    const small = await tarOf([
      [config, '{"r":8}'],
      [weights, 'weights'],
    ])
    const archive = gzipSync(small)
    await writeFile(join(work, 'x.tar.gz'), archive)
    const wanted = await fetchWritten()
    expect(reasonOf(wanted)).toBe('Stored')
    for (let length = 0; length < archive.length; length++) {
      await writeFile(join(work, 'x.tar.gz'), archive)
      await truncate(join(work, 'x.tar.gz'), length)
      expect(reasonOf(await fetchWritten()), `${length} bytes`).toBe('ArchiveInvalid')
    }
    for (let at = 0; at < archive.length; at++) {
      const flipped = Buffer.from(archive)
      flipped[at] = (flipped[at] ?? 0) ^ 0x10
      await writeFile(join(work, 'x.tar.gz'), flipped)
      const outcome = await fetchWritten()
      expect(outcome.outcome === 'Stored' ? outcome : wanted).toEqual(wanted)
    }
    expect(await readdir(root)).toHaveLength(1)
  })
})

describe('an archive', () => {
  const both: readonly TarEntry[] = [
    [config, '{"r":8}'],
    [weights, 'weights'],
  ]

  it.each<[string, readonly TarEntry[], string]>([
    [
      'with other files beside',
      [...both, ['README.md', 'x'], ['deep/er/adapter_config.json', 'x']],
      'Stored',
    ],
    ['without weights', [[config, '{}']], 'WeightsMissing'],
    [
      'with pickled weights',
      [
        [config, '{}'],
        ['adapter_model.bin', 'x'],
      ],
      'PickledWeights',
    ],
    ['without a config', [[weights, 'x']], 'ConfigMissing'],
    ['with nothing', [], 'ConfigMissing'],
    ['with its config twice', [...both, [config, '{"r":9}']], 'ArchiveAmbiguous'],
    [
      'with its config once more in a folder',
      [...both, [`a/${config}`, '{"r":9}']],
      'ArchiveAmbiguous',
    ],
    [
      'with its files in two folders',
      [
        [`a/${config}`, '{}'],
        [`b/${weights}`, 'x'],
      ],
      'ArchiveAmbiguous',
    ],
    ['that climbs out', [...both, ['../evil', 'x']], 'ArchiveUnsafe'],
    [
      'that climbs out and in again',
      [
        [`a/../${config}`, '{}'],
        [weights, 'x'],
      ],
      'ArchiveUnsafe',
    ],
    [
      'with an absolute path',
      [
        ['/etc/adapter_config.json', '{}'],
        [weights, 'x'],
      ],
      'ArchiveUnsafe',
    ],
    ['with a backslash', [['a\\..\\b', 'x'], ...both], 'ArchiveUnsafe'],
    [
      'with a symbolic link',
      [
        [config, '', { type: 'symlink', linkname: '/etc/passwd' }],
        [weights, 'x'],
      ],
      'ArchiveUnsafe',
    ],
    [
      'with a link elsewhere',
      [...both, ['x', '', { type: 'symlink', linkname: 'y' }]],
      'ArchiveUnsafe',
    ],
    [
      'with a hard link',
      [
        [weights, 'x'],
        [config, '', { type: 'link', linkname: weights }],
      ],
      'ArchiveUnsafe',
    ],
    [
      'with a device',
      [...both, ['null', '', { type: 'character-device', devmajor: 1, devminor: 3 }]],
      'ArchiveUnsafe',
    ],
    ['with a pipe', [...both, ['pipe', '', { type: 'fifo' }]], 'ArchiveUnsafe'],
    [
      'with a folder named like a file',
      [
        [config, '', { type: 'directory' }],
        [weights, 'x'],
      ],
      'ConfigMissing',
    ],
    [
      'with a sparse file',
      [
        [config, '{}', { pax: { 'GNU.sparse.major': '1', 'GNU.sparse.realsize': '99999999999' } }],
        [weights, 'x'],
      ],
      'ArchiveUnsafe',
    ],
    [
      'with a config that is too large',
      [
        [config, 'x'.repeat(256 * 1024 + 1)],
        [weights, 'x'],
      ],
      'ConfigTooLarge',
    ],
    [
      'with too many entries',
      [...both, ...Array.from({ length: 4_096 }, (_, index): TarEntry => [`f${index}`])],
      'ArchiveTooLarge',
    ],
    [
      'with a thousand small files',
      [
        ...Array.from({ length: 1_000 }, (_, index): TarEntry => [`f${index}`, 'x'.repeat(index)]),
        ...both,
      ],
      'Stored',
    ],
  ])('%s', async (_, entries, want) => {
    expect(reasonOf(await fetch(await tarOf(entries)))).toBe(want)
    expect(await readdir(root)).toHaveLength(want === 'Stored' ? 1 : 0)
  })

  it('of an old GNU sparse file is refused', async () => {
    const tar = Buffer.concat([rawHeader(config, 'S', 512), Buffer.alloc(512), Buffer.alloc(1024)])
    expect(reasonOf(await fetch(tar))).toMatch(/^Archive(?:Unsafe|Invalid)$/)
  })

  it('of an unknown type is refused', async () => {
    const tar = Buffer.concat([
      rawHeader(config, 'Z', 2),
      pad(Buffer.from('{}')),
      Buffer.alloc(1024),
    ])
    expect(reasonOf(await fetch(tar))).toMatch(/^Archive(?:Unsafe|Invalid)$/)
  })

  it('that announces more than may be stored is refused before it is unpacked', async () => {
    const tar = Buffer.concat([rawHeader(weights, '0', 2 ** 32), Buffer.alloc(4096)])
    expect(reasonOf(await fetch(tar, { maxBytes: 1 << 20 }))).toBe('AdapterTooLarge')
  })

  it('that announces more than it holds is damaged', async () => {
    const tar = Buffer.concat([
      rawHeader(config, '0', 7),
      pad(Buffer.from('{"r":8}')),
      rawHeader(weights, '0', 4096),
      Buffer.alloc(512),
    ])
    expect(reasonOf(await fetch(tar))).toBe('ArchiveInvalid')
  })

  it('whose attributes give a file a wild size is refused', async () => {
    for (const size of ['-1', 'NaN', '2000', '99999999999999999999']) {
      const entries: TarEntry[] = [
        [config, '{}', { pax: { size } }],
        [weights, 'x'],
      ]
      expect(reasonOf(await fetch(await tarOf(entries), { maxBytes: 1_000 })), size).not.toBe(
        'Stored',
      )
    }
  })

  it('that is no gzip, or no tar, is said to be damaged', async () => {
    await writeFile(join(work, 'x.tar.gz'), 'hello')
    expect(reasonOf(await fetchWritten())).toBe('ArchiveInvalid')
    expect(reasonOf(await fetch(Buffer.alloc(2048, 'x')))).toBe('ArchiveInvalid')
  })

  it('may be reached through a link of the operator', async () => {
    await writeFile(join(work, 'real.tar.gz'), gzipSync(await tarOf(both)))
    await symlink('real.tar.gz', join(work, 'x.tar.gz'))
    expect(reasonOf(await fetchWritten())).toBe('Stored')
  })

  it('in a folder of its own name is a folder', async () => {
    await mkdir(join(work, 'x.tar.gz'))
    expect(reasonOf(await fetchWritten())).toBe('ConfigMissing')
  })

  it('is given up when the signal says so, without a trace', async () => {
    const controller = new AbortController()
    const reason = new Error('no longer wanted')
    await writeFile(
      join(work, 'x.tar.gz'),
      gzipSync(
        await tarOf([
          [config, '{}'],
          [weights, Buffer.alloc(32 << 20)],
        ]),
      ),
    )
    const fetching = fetchWritten({ signal: controller.signal })
    controller.abort(reason)
    await expect(fetching).rejects.toBe(reason)
    expect(await readdir(root)).toEqual([])
  })
})

/** Megabytes of zeros after `head`, as members of one gzip file. */
function bomb(head: Buffer, megabytes: number): Buffer {
  const member = gzipSync(Buffer.alloc(64 << 20), { level: 1 })
  return Buffer.concat([gzipSync(head), ...Array.from({ length: megabytes / 64 }, () => member)])
}

describe('a bomb', () => {
  it.each([
    ['of a file that is read past', 'other', '0', 'ArchiveTooLarge'],
    ['of weights', weights, '0', 'AdapterTooLarge'],
    ['of a long name', 'other', 'L', 'ArchiveInvalid'],
    ['of attributes', 'other', 'x', 'ArchiveInvalid'],
  ])('%s goes off early and in little memory', async (_, name, type, want) => {
    const megabytes = 4_096
    await writeFile(
      join(work, 'x.tar.gz'),
      bomb(rawHeader(name, type, megabytes * 2 ** 20), megabytes),
    )
    const before = process.memoryUsage().rss
    const start = process.cpuUsage()
    expect(reasonOf(await fetchWritten({ maxBytes: 16 << 20 }))).toBe(want)
    // Expanding all of it takes several seconds of CPU.
    expect(process.cpuUsage(start).user).toBeLessThan(1_500_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20)
    expect(await readdir(root)).toEqual([])
  })

  it('of many small attributes is stopped by their bytes', async () => {
    const attribute = Buffer.concat([rawHeader('x', 'g', 65_536), Buffer.alloc(65_536)])
    expect(reasonOf(await fetch(Buffer.concat(Array.from({ length: 64 }, () => attribute))))).toBe(
      'ArchiveTooLarge',
    )
  })
})
