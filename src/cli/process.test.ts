import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDirectorySource } from '../resources/directory/directory-source.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))
const fixtures = fileURLToPath(new URL('../../test/fixtures', import.meta.url))
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraplex-cli-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** The real process, in the folder of the test. */
function loraplex(...args: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [main, ...args],
      { cwd: folder, env: { PATH: process.env['PATH'] } },
      (error, out, err) => {
        done({ code: error === null ? 0 : Number(error.code), out, err })
      },
    )
  })
}

const pool = `apiVersion: loraplex.dev/v1alpha1
kind: ModelPool
metadata: {name: tiny, namespace: models}
spec:
  model: {uri: "file://${fixtures}/tiny-llama"}
  lora: {maxRank: 32}
  allowedNamespaces: {from: All}
`
const adapter = `apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: tickets, namespace: acme}
spec:
  poolRefs: [{name: tiny, namespace: models}]
  source: {uri: "file://${fixtures}/adapters/acme-tickets"}
`
const tenant = `apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: acme}
spec: {}
`

describe('check', { timeout: 120_000 }, () => {
  test('good files pass with 0', async () => {
    await mkdir(join(folder, 'models'))
    await writeFile(join(folder, 'models/a.yaml'), `${pool}---\n${adapter}---\n${tenant}`)
    const { code, out, err } = await loraplex('check', 'models')
    expect([code, out, err]).toEqual([0, '', '3 good objects in 1 file; 0 errors, 0 notices\n'])
  })

  test('a mistake is told with its place and what to write, a doubt is a notice', async () => {
    await writeFile(join(folder, 'a.yaml'), pool.replace('maxRank: 32', 'maxRanks: 32'))
    await writeFile(join(folder, 'b.yml'), adapter)
    const { code, out } = await loraplex('check', 'a.yaml', 'b.yml')
    expect(code).toBe(1)
    expect(out).toContain(
      'a.yaml:6:10 ModelPool/models/tiny: `spec.lora.maxRanks` is no field; did you mean `maxRank`?',
    )
    expect(out).toContain('b.yml:1:1 notice: LoraAdapter/acme/tickets: `spec.poolRefs[0]` names')
  })

  test('nothing to check is wrong use', async () => {
    expect((await loraplex('check', 'nowhere.yaml')).code).toBe(2)
    expect((await loraplex('check', '.')).code).toBe(2)
  })
})

describe('check-adapter', { timeout: 120_000 }, () => {
  test('a good adapter gets its digest, a poisonous one its reason', async () => {
    await writeFile(join(folder, 'pool.yaml'), pool)
    const good = await loraplex(
      'check-adapter',
      `${fixtures}/adapters/acme-tickets`,
      '--pool',
      'pool.yaml',
    )
    expect(good.code).toBe(0)
    expect(good.out).toMatch(/^digest {3}sha256:[0-9a-f]{64}\n/)
    expect(good.out).toContain('fits ModelPool models/tiny')
    const bad = await loraplex(
      'check-adapter',
      `${fixtures}/adapters-broken/not-a-number`,
      '--pool',
      'pool.yaml',
    )
    expect(bad.code).toBe(1)
    expect(bad.out).toContain('NonFiniteWeights: ')
    expect(await readdir(folder)).toEqual(['pool.yaml'])
  })
})

describe('get and explain', { timeout: 120_000 }, () => {
  test('show what a service saved', async () => {
    await writeFile(join(folder, 'a.yaml'), `${pool}---\n${adapter}---\n${tenant}`)
    const source = createDirectorySource({ folder, stateFolder: join(folder, '.loraplex') })
    await source.start(new AbortController().signal)
    const generation = source.current().snapshot.adapters.get('acme/tickets')?.metadata.generation
    source.writeStatus('LoraAdapter', 'acme/tickets', {
      observedGeneration: generation ?? 0,
      conditions: [
        {
          type: 'Ready',
          status: 'False',
          reason: 'RankTooLarge',
          message: 'The rank is 128.',
          observedGeneration: 1,
          lastTransitionTime: '2030-01-01T00:00:00.000Z',
        },
      ],
      revisions: [],
      copies: { routable: 0, wanted: 1 },
    })
    await source.close()
    const table = await loraplex('get', 'lora')
    expect(table.err).toContain(`folder ${folder}; statuses of `)
    expect(table.out).toMatch(
      /^NAMESPACE +NAME +POOL +MODEL +READY +REASON +COPIES +AGE\nacme +tickets +models\/tiny +tickets +False +RankTooLarge +0\/1 +\d+s\n$/,
    )
    const json = await loraplex('get', 'adapters', 'tickets', '-o', 'json')
    expect(JSON.parse(json.out)).toMatchObject({
      kind: 'List',
      items: [{ kind: 'LoraAdapter', status: { copies: { wanted: 1 } } }],
    })
    const why = await loraplex('explain', 'acme', 'tickets')
    expect(why.out).toContain('The rank is 128.')
    expect(why.out).toContain('A caller gets 424 adapter_failed')
  })

  test('without a service they show the folder, and a wrong name suggests a right one', async () => {
    await writeFile(join(folder, 'a.yaml'), tenant)
    const table = await loraplex('get', '--dir', '.')
    expect(table.out).toMatch(/^NAME +READY +REASON +NAMESPACES/)
    expect((await loraplex('get', 'tenant', 'acm')).err).toContain('Did you mean acme?')
    expect((await loraplex('get', 'tennants')).code).toBe(2)
  })
})

describe('keys', { timeout: 120_000 }, () => {
  test('from the first to the last day of a key', async () => {
    const made = await loraplex(
      'keys',
      'create',
      'laptop',
      '-n',
      'acme',
      '--dir',
      'keys',
      '--expires',
      '90d',
    )
    expect(made.out).toMatch(/^lpx_[a-z0-9]{12}_[A-Za-z0-9_-]{43}\n$/)
    const file = join(folder, 'keys/key-acme-laptop.yaml')
    expect(await readFile(file, 'utf8')).not.toContain(made.out.trim())
    expect((await loraplex('keys', 'create', 'laptop', '-n', 'acme', '--dir', 'keys')).code).toBe(1)
    const rotated = await loraplex('keys', 'rotate', 'laptop', '--dir', 'keys')
    expect(rotated.err).toContain('loraplex keys revoke laptop -n acme --dir keys')
    expect((await loraplex('keys', 'revoke', 'laptop', '--dir', 'keys')).code).toBe(0)
    expect(await readFile(file, 'utf8')).toContain('revoked: true')
    const { out } = await loraplex('keys', 'list', '--dir', 'keys')
    expect(out).toMatch(/laptop +[a-z0-9]{12} +\S+ +Revoked/)
    expect(out).toMatch(/laptop-2 +[a-z0-9]{12} +\S+ +Valid/)
    expect((await loraplex('check', 'keys')).code).toBe(0)
  })

  test('-o yaml prints what goes into git, and the key apart from it', async () => {
    const { out, err } = await loraplex('keys', 'create', 'ci', '-n', 'acme', '-o', 'yaml')
    const key = /lpx_\S+/.exec(err)?.[0] ?? 'none'
    expect(out).toContain('kind: TenantKey')
    expect(out).not.toContain(key.slice(17))
    expect((await loraplex('keys', 'create', 'ci', '-n', 'acme')).code).toBe(2)
  })
})

test('simulate serves until it is told to stop', { timeout: 120_000 }, async () => {
  const child = spawn(process.execPath, [main, 'simulate', '--port', '0'], { cwd: folder })
  const said = new Promise<string>((done) => {
    child.stderr.on('data', (chunk: Buffer) => {
      done(chunk.toString())
    })
  })
  expect(await said).toContain('simulated vLLM (not a model) on http://127.0.0.1:')
  const ended = new Promise<number | null>((done) => {
    child.on('exit', done)
  })
  child.kill('SIGTERM')
  expect(await ended).toBe(0)
})

test('a reader that leaves early is no failure', { timeout: 120_000 }, async () => {
  const child = spawn('sh', ['-c', `"${process.execPath}" "${main}" --help | head -1`], {
    cwd: folder,
  })
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const code = await new Promise((done) => {
    child.on('exit', done)
  })
  expect([code, err]).toEqual([0, ''])
})
