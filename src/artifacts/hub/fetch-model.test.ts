import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { startFakeHub } from '../../../test/support/fake-hub.ts'
import { fetchModel, type FetchModelOptions } from './fetch-model.ts'

const fixture = fileURLToPath(new URL('../../../test/fixtures/tiny-llama', import.meta.url))
const weights = 'model.safetensors'
const never = new AbortController().signal

async function bed() {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-hub-'))
  const to = join(folder, 'model')
  const hub = await startFakeHub()
  for (const name of await readdir(fixture)) {
    hub.files.set(name, await readFile(join(fixture, name)))
  }
  const said: string[] = []
  return {
    folder,
    to,
    hub,
    said,
    fetch: (changes: Partial<FetchModelOptions> = {}) =>
      fetchModel({
        uri: 'hf://org/tiny@main',
        to,
        claimsFolder: join(folder, 'claims'),
        hub: { endpoint: hub.endpoint, token: undefined },
        say: (words) => said.push(words),
        signal: never,
        retries: { firstDelayMs: 1, maxBreaks: 3 },
        ...changes,
      }),
    whole: async () =>
      (await readFile(join(to, weights))).equals(await readFile(join(fixture, weights))),
    [Symbol.asyncDispose]: async () => {
      await hub[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

describe('a base model from a hub', () => {
  test('comes with config, tokenizer and safetensors, and with nothing that could be code', async () => {
    await using it = await bed()
    for (const name of [
      'pytorch_model.bin',
      'modeling_tiny.py',
      'original/consolidated.00.pth',
      'original/params.json',
      'consolidated.safetensors',
      'README.md',
      '../outside.json',
      'a/../../outside.json',
    ]) {
      it.hub.files.set(name, Buffer.from('{}'))
    }
    await it.fetch()
    const names = (await readdir(it.to)).filter((name) => !name.startsWith('.'))
    const wanted = (await readdir(fixture)).filter((name) => !name.endsWith('.md'))
    expect(names.toSorted()).toEqual(wanted.toSorted())
    expect(await it.whole()).toBe(true)
    expect(it.said.at(-1)).toContain('100 %')
  })

  test('is there at once when the folder was filled before', async () => {
    await using it = await bed()
    await it.fetch()
    it.hub.seen.length = 0
    await it.fetch()
    expect(it.hub.seen).toEqual([])
    expect(it.said.at(-1)).toContain('here already')
    // A volume that lost a part of a file is no filled one.
    await truncate(join(it.to, weights), 1000)
    await it.fetch()
    expect(await it.whole()).toBe(true)
  })

  test.each([0, 1, 7, 8, 9, 4000, 100_000])(
    'goes on where its connection broke, at byte %d',
    async (cut) => {
      await using it = await bed()
      it.hub.cuts.push(cut)
      await it.fetch()
      expect(await it.whole()).toBe(true)
      const cdn = it.hub.seen.filter(({ path }) => path.startsWith('/cdn/'))
      const ranges = cdn.flatMap(({ range }) => range ?? [])
      // Of much that was on its way, what the connection had not handed over is asked for again.
      const [rest] = ranges.map((range) => Number(/\d+/.exec(range)?.[0]))
      expect(ranges.length).toBe(cut === 0 ? 0 : 1)
      expect(rest ?? 0).toBeLessThanOrEqual(cut)
    },
  )

  test('goes on where an earlier try ended', async () => {
    await using it = await bed()
    it.hub.cuts.push(5000, 5000, 5000, 5000, 5000, 5000)
    await expect(it.fetch()).rejects.toThrow('breaks off at byte 5000')
    it.hub.cuts.length = 0
    it.hub.seen.length = 0
    await it.fetch()
    expect(it.hub.seen.flatMap(({ range }) => range ?? [])).toContain('bytes=5000-')
    expect(await it.whole()).toBe(true)
  })

  test.each([weights, 'config.json'])(
    'is refused with another content of %s than the metadata says',
    async (name) => {
      await using it = await bed()
      const content = Buffer.from(it.hub.files.get(name) ?? '')
      content[content.length - 2] = (content.at(-2) ?? 0) ^ 1
      it.hub.lies.set(name, content)
      await expect(it.fetch()).rejects.toThrow(`${name} came twice with another content`)
      expect(await readdir(it.to)).not.toContain(name)
    },
  )

  test('shows its token to the hub, and not to the servers with the files', async () => {
    await using it = await bed()
    it.hub.token = 'hf_secret'
    await expect(it.fetch()).rejects.toThrow('name a Secret with a token in model.secretRef')
    const wrong = it.fetch({ hub: { endpoint: it.hub.endpoint, token: 'hf_wrong' } })
    await expect(wrong).rejects.toThrow('ask for access')
    it.hub.seen.length = 0
    await it.fetch({ hub: { endpoint: it.hub.endpoint, token: 'hf_secret' } })
    const shown = (cdn: boolean) =>
      new Set(
        it.hub.seen
          .filter(({ path }) => path.startsWith('/cdn/') === cdn)
          .map(({ authorization }) => authorization),
      )
    expect(shown(false)).toEqual(new Set(['Bearer hf_secret']))
    expect(shown(true)).toEqual(new Set([undefined]))
    expect(it.said.join()).not.toContain('hf_secret')
  })

  test('leaves no shard of the commit before', async () => {
    await using it = await bed()
    it.hub.files.set('extra.json', Buffer.from('{}'))
    await it.fetch()
    it.hub.files.delete('extra.json')
    it.hub.commit = 'beef'.padEnd(40, '0')
    await rm(join(it.to, 'config.json'))
    it.hub.seen.length = 0
    await it.fetch()
    expect(await readdir(it.to)).not.toContain('extra.json')
    // What has not changed is not fetched again.
    expect(it.hub.seen.map(({ path }) => path)).not.toContain(`/cdn/${weights}`)
  })

  test('is waited for while another pod fetches it into the same volume, unless that one died', async () => {
    await using it = await bed()
    await Promise.all([it.fetch(), it.fetch()])
    const files = it.hub.seen.filter(({ path }) => path === `/cdn/${weights}`)
    expect(files.length).toBe(1)
    await rm(it.to, { recursive: true })
    await mkdir(join(it.to, '.loraplex-lock'), { recursive: true })
    const longAgo = new Date(Date.now() - 600_000)
    await utimes(join(it.to, '.loraplex-lock'), longAgo, longAgo)
    await it.fetch()
    expect(it.said).toContain('another pod fills this volume; waiting for it')
  })

  test('says what is wrong with a name, a hub and a repository', async () => {
    await using it = await bed()
    await expect(it.fetch({ uri: 'hf://org/none@main' })).rejects.toThrow('has no org/none@main')
    await expect(
      it.fetch({ hub: { endpoint: 'http://127.0.0.1:1', token: undefined } }),
    ).rejects.toThrow('does not answer')
    it.hub.files.delete(weights)
    it.hub.files.set('pytorch_model.bin', Buffer.from('x'))
    await expect(it.fetch()).rejects.toThrow('holds no .safetensors file')
  })
})

describe('a base model from a folder', () => {
  test('is copied from a claim', async () => {
    await using it = await bed()
    await cp(fixture, join(it.folder, 'claims/models/tiny'), { recursive: true })
    await it.fetch({ uri: 'pvc://models/tiny' })
    expect(await it.whole()).toBe(true)
  })

  test('is only checked where it is used in its place', async () => {
    await using it = await bed()
    await it.fetch({ uri: pathToFileURL(fixture).href, to: fixture })
    expect(await readdir(fixture)).not.toContain('.loraplex-model.json')
  })

  test.each([
    ['config.json', 'It holds no config.json.'],
    [weights, 'It holds no .safetensors file.'],
  ])('lacks %s: says so', async (name, words) => {
    await using it = await bed()
    const folder = join(it.folder, 'broken')
    await cp(fixture, folder, { recursive: true })
    await rm(join(folder, name))
    await expect(it.fetch({ uri: pathToFileURL(folder).href })).rejects.toThrow(words)
  })

  test('lacks a shard, or a part of one: says so', async () => {
    await using it = await bed()
    const folder = join(it.folder, 'broken')
    await cp(fixture, folder, { recursive: true })
    const index = { weight_map: { a: weights, b: 'model-2.safetensors' } }
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index))
    await truncate(join(folder, weights), 5000)
    const fetching = it.fetch({ uri: pathToFileURL(folder).href })
    await expect(fetching).rejects.toThrow('model-2.safetensors is missing, which its index names.')
    await expect(it.fetch({ uri: pathToFileURL(folder).href })).rejects.toThrow('is cut off')
  })
})
