import { execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import process from 'node:process'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { anew } from '../support/anew.ts'
import { sha256 } from '../support/builders.ts'
import { Canaries, sayCanaries } from '../support/canary-calls.ts'
import { ClusterBed } from '../support/cluster-bed.ts'
import { eventually } from '../support/eventually.ts'
import { call } from '../support/http-caller.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const crds = fileURLToPath(new URL('../../manifests/crds', import.meta.url))
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const kubectl = promisify(execFile)
const api = sharedApiServer({ crdPaths: [crds] })

let bed: ClusterBed
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraplex-cli-'))
  bed = await ClusterBed.create(api())
  await bed.pool('models', 'llama')
  await bed.tenant('acme', 'tickets', 'models/llama')
  await bed.tenant('globex', 'shout', 'models/llama')
  await bed.pod('llama-engine-a', { 'acme/tickets': 'acme-tickets' })
})

afterAll(async () => {
  await bed.close()
  await rm(folder, { recursive: true, force: true })
})

/** The real process, in a folder with nothing in it. */
function loraplex(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const env = { PATH: process.env['PATH'], KUBECONFIG: api().kubeconfigPath }
  return new Promise((done) => {
    execFile(process.execPath, [main, ...args], { cwd: folder, env }, (error, out, err) => {
      done({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

describe('commands on a cluster', () => {
  test('get shows what kubectl shows, and the first line says which cluster', async () => {
    const { code, out, err } = await loraplex('get', 'lora', '-n', 'acme')
    expect(code).toBe(0)
    expect(err.split('\n')[0]).toMatch(/^cluster context \S+, https:\/\//)
    expect(out).toMatch(/^NAMESPACE\s+NAME\s+POOL/)
    expect(out).toMatch(/acme\s+tickets\s+models\/llama\s+tickets\s+True\s+Ready\s+1\/1/)
    expect(out).not.toContain('shout')
  })

  test('get names what is near, and a context that is not there', async () => {
    const near = await loraplex('get', 'lora', 'ticket')
    expect(near.code).toBe(1)
    expect(near.err).toContain('Did you mean tickets?')
    const context = await loraplex('get', '--context', 'nowhere')
    expect(context.code).toBe(1)
    expect(context.err).toContain('has no context nowhere')
    expect((await loraplex('get', '--dir', '.', '--context', 'x')).code).toBe(2)
  })

  test('explain decodes a 404', async () => {
    expect((await loraplex('explain', 'acme', 'tickets')).out).toContain('A caller gets an answer')
    const { out } = await loraplex('explain', 'globex', 'tickets')
    expect(out).toContain('belongs to ModelTenant acme')
    expect(out).toContain('404 model_not_found')
  })

  test('a key is made, listed and revoked, and a GitOps apply does not bring it back', async () => {
    const laptop = anew('laptop')
    const made = await loraplex('keys', 'create', laptop, '-n', 'acme')
    expect(made.code).toBe(0)
    const key = made.out.trim()
    const path = `/apis/loraplex.dev/v1alpha1/namespaces/acme/tenantkeys/${laptop}`
    expect((await api().ask('GET', path)).body.spec.sha256).toBe(sha256(key))
    expect((await loraplex('keys', 'create', laptop, '-n', 'acme')).err).toContain('already')
    expect((await loraplex('keys', 'list', '-n', 'acme')).out).toMatch(
      new RegExp(`${laptop}\\s+\\S+\\s+.*Valid`),
    )

    const revoked = await loraplex('keys', 'revoke', laptop, '-n', 'acme')
    expect(revoked.err + revoked.out).toContain('is revoked in the cluster')
    const manifest = join(folder, 'key.yaml')
    await writeFile(
      manifest,
      `apiVersion: loraplex.dev/v1alpha1\nkind: TenantKey\nmetadata: {name: ${laptop}, namespace: acme}\nspec: {sha256: ${sha256(key)}}\n`,
    )
    const as = [`--kubeconfig=${api().kubeconfigPath}`]
    await kubectl('kubectl', [...as, 'apply', '--server-side', '--force-conflicts', '-f', manifest])
    await kubectl('kubectl', [...as, 'apply', '-f', manifest])
    expect((await api().ask('GET', path)).body.spec.revoked).toBe(true)
    await writeFile(
      manifest,
      (await readFile(manifest, 'utf8')).replace('spec: {', 'spec: {revoked: false, '),
    )
    await expect(
      kubectl('kubectl', [...as, 'apply', '--server-side', '--force-conflicts', '-f', manifest]),
    ).rejects.toThrow('a revoked key stays revoked')
    expect((await loraplex('keys', 'list', '-n', 'acme')).out).toMatch(
      new RegExp(`${laptop}.*Revoked`),
    )
  })

  test('rotate makes a second key with the rights of the first', async () => {
    const ci = anew('ci')
    await loraplex('keys', 'create', ci, '-n', 'globex', '--models', 'shout')
    const rotated = await loraplex('keys', 'rotate', ci, '-n', 'globex')
    expect(rotated.err).toContain(`loraplex keys revoke ${ci} -n globex`)
    const path = `/apis/loraplex.dev/v1alpha1/namespaces/globex/tenantkeys/${ci}-2`
    expect((await api().ask('GET', path)).body.spec.models).toEqual(['shout'])
  })

  test('whoever may see nothing is told so', async () => {
    const { kubeconfigPath } = await api().userNamed('nobody')
    const { code, err } = await loraplex('get', '--kubeconfig', kubeconfigPath)
    expect(code).toBe(1)
    expect(err).toContain('cannot list')
    expect(err).toContain('-n')
  })
})

describe('loraplex gateway', () => {
  interface Running {
    readonly lines: Record<string, unknown>[]
    readonly ended: Promise<number | null>
    readonly urls: () => { url: string; adminUrl: string }
    stop(): void
  }

  function start(...args: readonly string[]): Running {
    const child = spawn(
      process.execPath,
      [
        main,
        'gateway',
        `--kubeconfig=${api().kubeconfigPath}`,
        `--secret-file=${bed.secretFile}`,
        '--host=127.0.0.1',
        '--port=0',
        '--admin-port=0',
        '--internal-port=0',
        '--log-format=json',
        ...args,
      ],
      { cwd: folder, env: { PATH: process.env['PATH'] } },
    )
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    const lines: Record<string, unknown>[] = []
    let rest = ''
    child.stderr.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n')
      rest = parts.pop() ?? ''
      lines.push(...parts.map((line) => JSON.parse(line) as Record<string, unknown>))
    })
    return {
      lines,
      ended: new Promise((resolve) => child.on('exit', resolve)),
      urls: () => lines.find(({ msg }) => msg === 'the gateway serves') as never,
      stop: () => child.kill('SIGTERM'),
    }
  }

  test('serves, lets operators in by their own rights, and goes within its delay', async () => {
    const gateway = start('--shutdown-delay-seconds=1')
    await eventually(() => gateway.urls()).toBeDefined()
    const { url, adminUrl } = gateway.urls()
    await eventually(async () => (await call(`${adminUrl}/readyz`)).status).toBe(200)
    const made = await loraplex('keys', 'create', anew('process'), '-n', 'acme')
    const key = made.out.trim()
    const body = { model: 'tickets', messages: [{ role: 'user', content: 'hi' }], max_tokens: 4 }
    await eventually(
      async () => (await call(`${url}/v1/chat/completions`, { key, body })).status,
    ).toBe(200)

    const metrics = `${adminUrl}/metrics`
    expect((await call(metrics)).status).toBe(401)
    expect((await call(metrics, { key })).status).toBe(401)
    const stranger = await api().serviceAccount('watching', 'stranger')
    expect((await call(metrics, { key: stranger.token ?? '' })).status).toBe(403)
    const prometheus = await api().serviceAccount('watching', 'prometheus')
    await grantMetrics('watching', 'prometheus')
    await eventually(
      async () => (await call(metrics, { key: prometheus.token ?? '' })).status,
    ).toBe(200)
    const { text: page } = await call(metrics, { key: prometheus.token ?? '' })
    expect(page).toContain('loraplex_pool_replicas_ready{pool="models/llama"} 1')
    expect(page).toMatch(
      /loraplex_tokens_total\{pool="models\/llama",adapter="acme\/tickets",tenant="acme",kind="output"\} 4/,
    )
    expect(page).toContain('loraplex_kubernetes_watch_age_seconds')
    expect((await call(`${adminUrl}/debug/state`, { key: prometheus.token ?? '' })).status).toBe(
      403,
    )

    gateway.stop()
    expect(await gateway.ended).toBe(0)
    expect(JSON.stringify(gateway.lines)).not.toContain(key)
  })

  test('follows a key from its first to its last second', async () => {
    const gateway = start('--shutdown-delay-seconds=0', '--log-level=debug')
    await eventually(() => gateway.urls()).toBeDefined()
    const { url, adminUrl } = gateway.urls()
    await eventually(async () => (await call(`${adminUrl}/readyz`)).status).toBe(200)
    const ask = (key: string) => call(`${url}/v1/models/tickets`, { key })
    const becomes = (key: string, status: number) =>
      expect
        .poll(async () => (await ask(key)).status, { timeout: 20_000, interval: 20 })
        .toBe(status)
    const keys = (...args: readonly string[]) => loraplex('keys', ...args, '-n', 'acme')

    const life = anew('life')
    const first = (await keys('create', life)).out.trim()
    await becomes(first, 200)
    const rotated = await keys('rotate', life, '--grace', '5s', '--expires', '1d')
    expect(rotated.err).toContain('The old key works until ')
    const second = rotated.out.trim()
    await becomes(second, 200)
    await becomes(first, 401)
    expect((await ask(first)).text).toContain('expired')
    await keys('revoke', `${life}-2`)
    await becomes(second, 401)
    expect((await ask(second)).text).toContain('revoked')

    const names = [anew('old'), anew('two'), anew('three')] as const
    const old = names.map((name) => `sk-of-another-gateway-${name}`)
    const [one = '', two = '', three = ''] = old.map(sha256)
    const alias = names[0].toUpperCase().replace('-', ' ')
    await writeFile(join(folder, 'a.json'), JSON.stringify([{ key_alias: alias, token: one }]))
    await writeFile(
      join(folder, 'b.csv'),
      `name,sha256,blocked\n${names[1]},${two},\n${names[2]},${three},true\n`,
    )
    expect((await keys('import', 'a.json')).out).toContain(`TenantKey acme/${names[0]} is in`)
    expect((await keys('import', 'b.csv')).out).toContain(`TenantKey acme/${names[1]} is in`)
    expect((await keys('import', 'a.json')).err).toContain(`acme/${names[0]} is there already`)
    await Promise.all([becomes(old[0] ?? '', 200), becomes(old[1] ?? '', 200)])
    expect((await ask(old[2] ?? '')).status).toBe(401)

    const canaries = new Canaries()
    const said = await sayCanaries({ url, key: old[0] ?? '', model: 'tickets' }, canaries)
    expect(canaries.foundIn(said.map(({ text }) => text).join(''))).toContain('a wrong model')
    gateway.stop()
    expect(await gateway.ended).toBe(0)
    const lines = JSON.stringify(gateway.lines)
    expect(canaries.foundIn(lines)).toEqual([])
    expect([first, second, ...old].filter((key) => lines.includes(key))).toEqual([])
  })

  test('waits for its secret, with words, and stops while it waits', async () => {
    const gateway = start('--secret-file=/nowhere/secret')
    await eventually(() => gateway.lines.map(({ msg }) => msg)).toContainEqual(
      expect.stringContaining("waiting for the installation's secret: /nowhere/secret"),
    )
    gateway.stop()
    expect(await gateway.ended).toBe(0)
  })

  test.each([
    ['gateway', ['--max-config-age', 'soon'], 'write 90s, 15m, 24h or 7d'],
    ['gateway', ['--admin-auth', 'Token'], '--admin-token-file'],
    ['controller', ['--admin-auth', 'Token'], '--admin-token-file'],
    ['depot', ['--admin-token-file', 'x'], 'needs --admin-auth Token'],
  ])('%s refuses %s', async (command, args, words) => {
    const { code, err } = await loraplex(command, ...args)
    expect(code).toBe(2)
    expect(err).toContain(words)
  })
})

async function grantMetrics(namespace: string, name: string): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  await api().ask('POST', `${rbac}/clusterroles`, {
    metadata: { name: 'reads-metrics' },
    rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }],
  })
  await api().ask('POST', `${rbac}/clusterrolebindings`, {
    metadata: { name: 'reads-metrics' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'reads-metrics' },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  })
}
