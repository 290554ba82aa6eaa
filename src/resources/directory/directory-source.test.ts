import {
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
  appendFile,
  chmod,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { LoraAdapterStatus } from '../../api/condition.ts'
import { UserError } from '../../errors.ts'
import type { ResourceSource, ResourceUpdate } from '../resource-source.ts'
import { createDirectorySource } from './directory-source.ts'

let root: string
let folder: string
let state: string
const sources: ResourceSource[] = []

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'loraplex-directory-'))
  folder = join(root, 'models')
  state = join(folder, '.loraplex')
  await mkdir(folder)
})

afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.close()))
  await chmod(folder, 0o755)
  await rm(root, { recursive: true, force: true })
})

async function started(options: { rescanMs?: number; stateFolder?: string } = {}) {
  const source = createDirectorySource({ folder, stateFolder: state, quietMs: 40, ...options })
  sources.push(source)
  await source.start(new AbortController().signal)
  return source
}

async function save(file: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, file)), { recursive: true })
  await writeFile(join(folder, file), text)
}

function adapter(name: string, uri = `file:./${name}`, more = ''): string {
  return `---
apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: ${name}, namespace: acme}
spec:
  poolRefs: [{name: base, namespace: models}]
  source: {uri: "${uri}"}
${more}`
}

function names(source: ResourceSource): readonly string[] {
  return [...source.current().snapshot.adapters.keys()].sort()
}

function uriOf(source: ResourceSource, key: string): string | undefined {
  return source.current().snapshot.adapters.get(key)?.spec.source.uri
}

function words(source: ResourceSource): string {
  return source
    .current()
    .problems.map(({ where, message }) => `${where} ${message}`)
    .join('\n')
}

const waiting = { timeout: 4000, interval: 10 }

describe('a folder of YAML', () => {
  test('is read with everything below it, hidden folders and other files left out', async () => {
    await save('a.yaml', adapter('one') + adapter('two'))
    await save('deep/er/b.yml', adapter('three'))
    await save('.git/c.yaml', adapter('four'))
    await save('.hidden.yaml', adapter('five'))
    await save('notes.txt', adapter('six'))
    const source = await started()
    expect(names(source)).toEqual(['acme/one', 'acme/three', 'acme/two'])
    expect(source.current().snapshot.baseFolders.get('LoraAdapter/acme/three')).toBe(
      join(folder, 'deep/er'),
    )
    expect(source.current().problems).toEqual([])
  })

  test('may hold Secrets and Namespaces', async () => {
    await save(
      's.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: acme}\ndata: {token: aHVudGVyMg==}\nstringData: {other: plain}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: acme, labels: {team: blue}}\n',
    )
    const { snapshot } = (await started()).current()
    expect(snapshot.secrets.get('acme/s')?.data).toEqual({ token: 'hunter2', other: 'plain' })
    expect(snapshot.namespaces.get('acme')).toEqual({ name: 'acme', labels: { team: 'blue' } })
  })

  test('that is not there is said in words', async () => {
    const source = createDirectorySource({ folder: join(folder, 'nowhere'), stateFolder: state })
    await expect(source.start(new AbortController().signal)).rejects.toThrow(UserError)
    await source.close()
  })

  test('is followed: a save, a new file in a new folder, a deletion', async () => {
    await save('a.yaml', adapter('one'))
    const source = await started({ rescanMs: 60_000 })
    const updates: ResourceUpdate[] = []
    source.watch((update) => updates.push(update))
    await save('a.yaml', adapter('one', 'file:./other'))
    await vi.waitFor(() => {
      expect(uriOf(source, 'acme/one')).toBe('file:./other')
    }, waiting)
    await save('new/b.yaml', adapter('two'))
    await vi.waitFor(() => {
      expect(names(source)).toEqual(['acme/one', 'acme/two'])
    }, waiting)
    await save('new/c.yaml', adapter('three'))
    await vi.waitFor(() => {
      expect(names(source)).toContain('acme/three')
    }, waiting)
    await rm(join(folder, 'new'), { recursive: true })
    await vi.waitFor(() => {
      expect(names(source)).toEqual(['acme/one'])
    }, waiting)
    for (const [index, update] of updates.entries()) {
      expect(update).not.toEqual(updates[index - 1])
    }
    const { metadata } = source.current().snapshot.adapters.get('acme/one') ?? {}
    expect(metadata?.generation).toBe(2)
  })

  test('is followed within the quiet time and a little more', async () => {
    await save('a.yaml', adapter('one'))
    const source = createDirectorySource({ folder, stateFolder: state })
    sources.push(source)
    await source.start(new AbortController().signal)
    const waits: number[] = []
    for (let round = 0; round < 5; round += 1) {
      const seen = new Promise<void>((done) => {
        source.watch(() => {
          done()
        })
      })
      await save('a.yaml', adapter('one', `file:./${round}`))
      const savedAt = performance.now()
      await seen
      waits.push(performance.now() - savedAt)
    }
    // 100 ms of quiet; the rest is what a loaded machine may add.
    expect(Math.min(...waits)).toBeLessThan(200)
  })

  test('a link that is swapped, as Kubernetes does with a ConfigMap, is one change', async () => {
    await mkdir(join(folder, '..v1'))
    await writeFile(join(folder, '..v1/a.yaml'), adapter('one', 'file:./1'))
    await symlink('..v1', join(folder, '..data'))
    await symlink('..data/a.yaml', join(folder, 'a.yaml'))
    const source = await started({ rescanMs: 60_000 })
    expect(uriOf(source, 'acme/one')).toBe('file:./1')
    await mkdir(join(folder, '..v2'))
    await writeFile(join(folder, '..v2/a.yaml'), adapter('one', 'file:./2'))
    await symlink('..v2', join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    await vi.waitFor(() => {
      expect(uriOf(source, 'acme/one')).toBe('file:./2')
    }, waiting)
  })

  test('links in a circle end, links to folders are followed, to nowhere are told', async () => {
    await save('sub/a.yaml', adapter('one'))
    await symlink(folder, join(folder, 'sub/back'))
    await symlink('sub', join(folder, 'again'))
    await symlink('nowhere.yaml', join(folder, 'dangling.yaml'))
    const outside = join(root, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'b.yaml'), adapter('two'))
    await symlink(outside, join(folder, 'linked'))
    const source = await started()
    expect(names(source)).toEqual(['acme/one', 'acme/two'])
    expect(words(source)).toContain('dangling.yaml:1:1 is a link that points nowhere')
  })
})

describe('a bad file loses nothing', () => {
  test.each([
    ['broken', 'a: [', 'is not YAML here'],
    ['not UTF-8', Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]), 'is not UTF-8'],
    ['too large', `# ${'x'.repeat(4 * 1024 * 1024)}\n`, 'is larger than 4 MiB'],
  ])('%s', async (_name, text, want) => {
    await save('a.yaml', adapter('one'))
    await save('b.yaml', adapter('two'))
    const source = await started()
    await writeFile(join(folder, 'a.yaml'), text)
    await vi.waitFor(() => {
      expect(words(source)).toContain(want)
    }, waiting)
    expect(words(source)).toContain('the 1 object it held stays in force')
    expect(names(source)).toEqual(['acme/one', 'acme/two'])
    await save('a.yaml', adapter('one', 'file:./mended'))
    await vi.waitFor(() => {
      expect(uriOf(source, 'acme/one')).toBe('file:./mended')
    }, waiting)
    expect(source.current().problems).toEqual([])
  })

  test('an invalid object keeps its last good form, its neighbours follow', async () => {
    await save('a.yaml', adapter('one') + adapter('two'))
    const source = await started()
    await save('a.yaml', adapter('one', 'file:./x', '  lmits: {}\n') + adapter('two', 'file:./y'))
    await vi.waitFor(() => {
      expect(uriOf(source, 'acme/two')).toBe('file:./y')
    }, waiting)
    expect(uriOf(source, 'acme/one')).toBe('file:./one')
    expect(words(source)).toMatch(
      /a\.yaml:8:3 LoraAdapter\/acme\/one: `spec\.lmits` is no field.*its last good form stays in force/,
    )
  })

  test('a file that is being written keeps its objects', async () => {
    const text = adapter('one') + adapter('two') + adapter('three')
    await save('a.yaml', text)
    const source = await started()
    const seen: string[] = []
    source.watch(() => seen.push(names(source).join()))
    await writeFile(join(folder, 'a.yaml'), '')
    for (let at = 0; at < text.length; at += 60) {
      await appendFile(join(folder, 'a.yaml'), text.slice(at, at + 60))
      // The writer is slower than the quiet time, so every piece is looked at.
      await new Promise((done) => setTimeout(done, 60))
    }
    await save('b.yaml', adapter('four'))
    await vi.waitFor(() => {
      expect(names(source)).toContain('acme/four')
    }, waiting)
    expect(
      seen.filter(
        (list) => !list.includes('acme/one,acme/three,acme/two') && !list.includes('acme/four'),
      ),
    ).toEqual([])
    expect(names(source)).toEqual(['acme/four', 'acme/one', 'acme/three', 'acme/two'])
  })

  test('a folder that goes away keeps everything, and is followed again when it is back', async () => {
    await save('a.yaml', adapter('one'))
    const source = await started({ rescanMs: 50, stateFolder: join(root, 'state') })
    await rename(folder, join(root, 'elsewhere'))
    await vi.waitFor(() => {
      expect(words(source)).toContain('the folder cannot be read (ENOENT)')
    }, waiting)
    expect(names(source)).toEqual(['acme/one'])
    await mkdir(folder)
    await save('a.yaml', adapter('one', 'file:./back'))
    await vi.waitFor(() => {
      expect(uriOf(source, 'acme/one')).toBe('file:./back')
    }, waiting)
    expect(source.current().problems).toEqual([])
  })
})

describe('what was known outlives the process', () => {
  test('identity, a broken file, a revoked key, statuses', async () => {
    await save('a.yaml', adapter('one'))
    const sha256 = 'ab'.repeat(32)
    const key = (revoked: boolean) =>
      `apiVersion: loraplex.dev/v1alpha1\nkind: TenantKey\nmetadata: {name: k, namespace: acme}\nspec: {sha256: ${sha256}, revoked: ${revoked}}\n`
    await save('k.yaml', key(true))
    await save('s.yaml', 'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: b}\n')
    const first = await started()
    first.writeStatus('LoraAdapter', 'acme/one', status)
    const before = first.current().snapshot
    await first.close()
    await save('a.yaml', 'a: [')
    await save('s.yaml', 'a: [')
    await save('k.yaml', key(false))
    const second = await started()
    const { snapshot } = second.current()
    expect(snapshot.adapters).toEqual(before.adapters)
    expect(snapshot.secrets).toEqual(before.secrets)
    expect(snapshot.keys.get('acme/k')?.spec.revoked).toBe(true)
    expect(second.status('LoraAdapter', 'acme/one')).toEqual(status)
  })

  test('what was deleted meanwhile is gone at once', async () => {
    await save('a.yaml', adapter('one'))
    await (await started()).close()
    await unlink(join(folder, 'a.yaml'))
    expect(names(await started())).toEqual([])
  })

  test('another folder with the same state starts anew, but for revocations', async () => {
    await save('a.yaml', adapter('one'))
    await (await started({ stateFolder: join(root, 'state') })).close()
    folder = join(root, 'other')
    await mkdir(folder)
    expect(names(await started({ stateFolder: join(root, 'state') }))).toEqual([])
  })

  test('a damaged state is not thrown away unasked', async () => {
    await mkdir(state)
    await writeFile(join(state, 'objects.json'), '{')
    const source = createDirectorySource({ folder, stateFolder: state })
    await expect(source.start(new AbortController().signal)).rejects.toThrow('Move it elsewhere')
    await source.close()
  })
})

const status: LoraAdapterStatus = {
  observedGeneration: 1,
  conditions: [
    {
      type: 'Ready',
      status: 'True',
      reason: 'Ready',
      message: '',
      observedGeneration: 1,
      lastTransitionTime: '2030-01-01T00:00:00.000Z',
    },
  ],
  revisions: [],
  copies: { routable: 1, wanted: 1 },
}

describe('statuses', () => {
  test('are written soon, whole, once for many changes, and never hold a secret', async () => {
    await save('a.yaml', adapter('one'))
    await save(
      's.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hunter2}\n',
    )
    const source = await started()
    source.writeStatus('LoraAdapter', 'acme/one', status)
    await vi.waitFor(async () => {
      const text = await readFile(join(state, 'status.json'), 'utf8')
      expect(JSON.parse(text)).toMatchObject({ objects: [{ kind: 'LoraAdapter', status }] })
      expect(text).not.toContain('hunter2')
    }, waiting)
  })

  test('go with their object and do not come back with the next of that name', async () => {
    await save('a.yaml', adapter('one'))
    const source = await started()
    source.writeStatus('LoraAdapter', 'acme/one', status)
    await unlink(join(folder, 'a.yaml'))
    await vi.waitFor(() => {
      expect(names(source)).toEqual([])
    }, waiting)
    expect(source.status('LoraAdapter', 'acme/one')).toBeUndefined()
    source.writeStatus('LoraAdapter', 'acme/one', status)
    expect(source.status('LoraAdapter', 'acme/one')).toBeUndefined()
  })
})

test('a consumer that throws harms nobody', async () => {
  const source = await started()
  source.watch(() => {
    throw new Error('bug')
  })
  const seen = new Promise<void>((done) => {
    source.watch(() => {
      done()
    })
  })
  await save('a.yaml', adapter('one'))
  await seen
})
