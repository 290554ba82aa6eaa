import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { ContentStore } from './content-store.ts'
import type { Fill } from './content-store.ts'
import { digestFolder } from './digest.ts'
import { isAbandoned, removeFolder, stagingName } from './staging-folder.ts'

const made: string[] = []
let root: string
let store: ContentStore
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'loraplex-store-'))
  made.push(root)
  store = await ContentStore.open(root)
})
afterAll(async () => {
  for (const folder of made) {
    for (const name of await readdir(folder)) {
      await removeFolder(join(folder, name))
    }
    await removeFolder(folder)
  }
})

async function* bytes(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

const fillWith =
  (config: string, weights: string): Fill =>
  async (staging) => {
    await staging.write('adapter_config.json', bytes(config), 1_000)
    await staging.write('adapter_model.safetensors', bytes(weights), 1_000)
    return undefined
  }

async function stored(config = '{}', weights = 'w') {
  const outcome = await store.put(fillWith(config, weights))
  if (outcome.outcome !== 'Stored') {
    throw new Error(JSON.stringify(outcome))
  }
  return outcome.adapter
}

describe('ContentStore', () => {
  it('keeps content under its digest, read-only and alone in its folder', async () => {
    const adapter = await stored('{"r":8}', 'weights')
    expect(adapter.path).toBe(join(root, adapter.digest))
    expect(adapter.sizeBytes).toBe(14)
    expect(await digestFolder(adapter.path)).toBe(adapter.digest)
    expect(await readdir(root)).toEqual([adapter.digest])
    expect((await readdir(adapter.path)).toSorted()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
    ])
    expect((await lstat(adapter.path)).mode & 0o777).toBe(0o555)
    expect((await lstat(join(adapter.path, 'adapter_config.json'))).mode & 0o777).toBe(0o444)
    expect(await store.get(adapter.digest)).toEqual(adapter)
    expect(await store.list()).toEqual([adapter])
    expect(await store.verify(adapter.digest)).toBe('Intact')
  })

  it('gives every one of many puts of the same content the same place', async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 16 }, () => store.put(fillWith('{}', 'w'))),
    )
    expect(new Set(outcomes.map((outcome) => JSON.stringify(outcome))).size).toBe(1)
    expect(outcomes[0]?.outcome).toBe('Stored')
    expect(await readdir(root)).toHaveLength(1)
  })

  it('refuses other content than was expected and leaves nothing behind', async () => {
    const outcome = await store.put(fillWith('{}', 'w'), '0'.repeat(64))
    expect(outcome).toMatchObject({ outcome: 'Refused', problem: { reason: 'DigestMismatch' } })
    expect(await readdir(root)).toEqual([])
  })

  it('leaves nothing behind when the filling fails', async () => {
    const fill: Fill = async (staging) => {
      await staging.write('adapter_config.json', bytes('{}'), 1_000)
      throw new Error('the source broke')
    }
    await expect(store.put(fill)).rejects.toThrow('the source broke')
    expect(await readdir(root)).toEqual([])
  })

  it('stops a file at its limit', async () => {
    const fill: Fill = async (staging) => {
      expect(await staging.write('adapter_config.json', bytes('12345'), 4)).toBe('TooLarge')
      return { outcome: 'Refused', problem: { reason: 'AdapterTooLarge', message: '' } }
    }
    expect((await store.put(fill)).outcome).toBe('Refused')
    expect(await readdir(root)).toEqual([])
  })

  it('deletes what is read-only, once', async () => {
    const { digest } = await stored()
    expect(await store.delete(digest)).toBe(true)
    expect(await store.delete(digest)).toBe(false)
    expect(await store.get(digest)).toBeUndefined()
    expect(await store.verify(digest)).toBe('Missing')
    expect(await readdir(root)).toEqual([])
  })

  it('never overwrites, and tells a damaged copy', async () => {
    const { digest, path } = await stored()
    const file = join(path, 'adapter_model.safetensors')
    await chmod(file, 0o644)
    await writeFile(file, 'x')
    expect(await store.verify(digest)).toBe('Damaged')
    expect(await store.put(fillWith('{}', 'w'))).toMatchObject({
      outcome: 'Failed',
      problem: { reason: 'StoredContentDamaged' },
    })
    expect(await readFile(file, 'utf8')).toBe('x')
    expect(await store.delete(digest)).toBe(true)
    expect((await stored()).digest).toBe(digest)
    expect(await store.verify(digest)).toBe('Intact')
  })

  it.each(['', '..', '../../etc', 'A'.repeat(64), `${'a'.repeat(63)}/`, `${'a'.repeat(64)}\n`])(
    'makes no path of %j',
    async (digest) => {
      for (const call of [store.get(digest), store.delete(digest), store.verify(digest)]) {
        await expect(call).rejects.toThrow('not a digest')
      }
    },
  )

  it('does not list what is no adapter', async () => {
    await writeFile(join(root, 'README'), '')
    await mkdir(join(root, 'a'.repeat(64)))
    expect(await store.list()).toEqual([])
    expect(await store.verify('a'.repeat(64))).toBe('Damaged')
  })

  it('clears away what a killed process left, and nothing of a live one', async () => {
    const mine = stagingName('incoming')
    await mkdir(join(root, mine))
    const script = `
      const { ContentStore } = await import(${JSON.stringify(new URL('content-store.ts', import.meta.url).href)})
      const store = await ContentStore.open(${JSON.stringify(root)})
      await store.put(async (staging) => {
        await staging.write('adapter_config.json', (async function* () { yield Buffer.from('{}') })(), 10)
        console.log('half done')
        await new Promise((resolve) => setTimeout(resolve, 60_000))
      })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await ContentStore.open(root)
    expect(await readdir(root)).toHaveLength(2)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await ContentStore.open(root)
    expect(await readdir(root)).toEqual([mine])
  })
})

describe('a staging folder', () => {
  it('is abandoned once its process is, and of another host after hours', () => {
    const name = stagingName('incoming')
    const [, host = '', pid = '', started = ''] = /-([^-]+)-(\d+)-(\d+)-/.exec(name) ?? []
    expect(isAbandoned(name, 1e12)).toBe(false)
    expect(isAbandoned(name.replace(`-${started}-`, `-${Number(started) + 1}-`), 0)).toBe(true)
    expect(isAbandoned(name.replace(`-${pid}-`, '-999999999-'), 0)).toBe(true)
    const foreign = name.replace(host, '0123456789ab')
    expect(isAbandoned(foreign, 60_000)).toBe(false)
    expect(isAbandoned(foreign, 86_400_000)).toBe(true)
    expect(isAbandoned('a'.repeat(64), 1e12)).toBe(false)
  })
})
