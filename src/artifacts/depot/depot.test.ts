import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { describe, expect, test, vi } from 'vitest'
import { request } from 'undici'
import { patience } from '../../../test/support/eventually.ts'
import { serveFiles, testCertificate } from '../../../test/support/https-files.ts'
import { createDepotClient } from '../../wire/depot-client.ts'
import { baseKeyOf, poolHeader, type SourceOrigin } from '../../wire/depot-protocol.ts'
import { controllerToken, depotToken } from '../../wire/internal-auth.ts'
import { AdapterIntake, type IntakeRequest } from '../../controller/lora-adapter/intake.ts'
import { listen, urlOf } from '../../telemetry/listen.ts'
import { tokenDigestOf } from '../../wire/claim-protocol.ts'
import { headersOf } from '../base-headers.ts'
import { createClaimServer } from '../claim/claim-server.ts'
import { ContentStore } from '../content-store.ts'
import { digestFolder } from '../digest.ts'
import { DepotSource } from '../depot-source.ts'
import type { PreflightOptions } from '../types.ts'
import { tarOf } from './adapter-tar.ts'
import { createDepotServer } from './depot-server.ts'
import { Depot, type DepotOptions } from './depot.ts'
import type { SourceSecret } from './source-secret.ts'

const fixtures = fileURLToPath(new URL('../../../test/fixtures/', import.meta.url))
const good = join(fixtures, 'adapters/acme-tickets')
const baseFolder = join(fixtures, 'tiny-llama')
const secret = Buffer.alloc(32, 7)
const poolKey = 'team/pool'
const origin: SourceOrigin = { poolKey, namespace: 'acme' }
const never = new AbortController().signal
const uriOf = (path: string): string => pathToFileURL(path).href

async function bed(changes: Omit<Partial<DepotOptions>, 'sources'> & { sources?: object } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-depot-'))
  const secrets = new Map<string, SourceSecret>()
  const sources = {
    fileRoots: [fixtures],
    allowPrivateHosts: new Set(['adapters.test']),
    maxBytes: 1 << 30,
    resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
    readSecret: (namespace: string, name: string) =>
      Promise.resolve(secrets.get(`${namespace}/${name}`)),
    ...changes.sources,
  }
  const open = async () => {
    const depot = await Depot.open({ cacheFolder: join(folder, 'cache'), ...changes, sources })
    const server = await createDepotServer({ depot, secret, logger: pino({ level: 'silent' }) })
    await server.listen({ host: '127.0.0.1', port: 0 })
    return { depot, server }
  }
  let running = await open()
  const url = () => `http://127.0.0.1:${(running.server.server.address() as AddressInfo).port}`
  const closers: (() => Promise<void>)[] = []
  const closing = <T extends { close(): Promise<void> }>(it: T): T => {
    closers.push(() => it.close())
    return it
  }
  const store = await ContentStore.open(join(folder, 'agent'))
  return {
    folder,
    secrets,
    store,
    url,
    client: (token = controllerToken(secret)) => closing(createDepotClient({ url: url(), token })),
    agent: (pool = poolKey, token = depotToken(secret, pool)) =>
      closing(new DepotSource({ url: url(), poolKey: pool, token })),
    restart: async () => {
      await running.server.close()
      await running.depot.close()
      running = await open()
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(closers.map((close) => close()))
      await running.server.close()
      await running.depot.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const preflightOptions: PreflightOptions = {
  baseModelPath: baseKeyOf(poolKey, 'hf://org/tiny@main'),
  baseModelNames: [],
  baseModelCheck: 'Warn',
  maxRank: 64,
  dtype: 'Auto',
}

describe('a depot', () => {
  test('gives a pool’s agents what was fetched for the pool, byte for byte', async () => {
    await using it = await bed()
    const digest = await digestFolder(good)
    const fetched = await it
      .client()
      .fetch({ uri: uriOf(good), expectedDigest: digest, origin }, never)
    expect(fetched).toMatchObject({ outcome: 'Stored', adapter: { digest, path: digest } })
    expect(await it.agent().pull(digest, it.store, never)).toMatchObject({ outcome: 'Stored' })
    expect(await it.store.verify(digest)).toBe('Intact')
  })

  test('gives it to no other pool, and nothing to whoever shows another token', async () => {
    await using it = await bed()
    const digest = await digestFolder(good)
    await it.client().fetch({ uri: uriOf(good), expectedDigest: undefined, origin }, never)
    const pull = async (agent: DepotSource) => {
      const outcome = await agent.pull(digest, it.store, never)
      return outcome.outcome === 'Stored' ? 'Stored' : outcome.problem.message
    }
    expect(await pull(it.agent('team/other'))).toContain('does not have it for this pool')
    expect(await pull(it.agent(poolKey, depotToken(secret, 'team/other')))).toContain('401')
    expect(await pull(it.agent('team/other', depotToken(secret, poolKey)))).toContain('401')
    expect(await pull(it.agent(poolKey, controllerToken(secret)))).toContain('401')
    const stranger = it.client(depotToken(secret, poolKey))
    await expect(
      stranger.fetch({ uri: uriOf(good), expectedDigest: undefined, origin }, never),
    ).rejects.toMatchObject({ status: 401 })
    await expect(stranger.retain({ pools: {} })).rejects.toMatchObject({ status: 401 })
    expect(await it.store.list()).toEqual([])
  })

  test('remembers after a restart what it has and for whom', async () => {
    await using it = await bed()
    const digest = await digestFolder(good)
    await it.client().fetch({ uri: uriOf(good), expectedDigest: undefined, origin }, never)
    await it.restart()
    expect(await it.client().stored(digest, { origin })).toMatchObject({ digest })
    const other = { origin: { ...origin, poolKey: 'team/other' } }
    expect(await it.client().stored(digest, other)).toBeUndefined()
    expect(await it.agent().pull(digest, it.store, never)).toMatchObject({ outcome: 'Stored' })
  })

  test('deletes what no pool stands for any more, and never what is young', async () => {
    const digest = await digestFolder(good)
    const fetchAndRetain = async (
      it: Awaited<ReturnType<typeof bed>>,
      pools: Record<string, string[]>,
    ) => {
      await it.client().fetch({ uri: uriOf(good), expectedDigest: undefined, origin }, never)
      await it.client().retain({ pools })
      return (await it.client().stored(digest, { origin })) !== undefined
    }
    await using young = await bed()
    expect(await fetchAndRetain(young, {})).toBe(true)
    await using old = await bed({ minAgeMs: 0 })
    expect(await fetchAndRetain(old, { [poolKey]: [digest] })).toBe(true)
    expect(await fetchAndRetain(old, { 'team/other': [digest] })).toBe(false)
  })

  test('refuses what is no request', async () => {
    await using it = await bed()
    const post = async (body: object) => {
      const answer = await request(`${it.url()}/v1/fetch`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${controllerToken(secret)}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify(body),
      })
      await answer.body.dump()
      return answer.statusCode
    }
    expect(await post({ uri: uriOf(good) })).toBe(400)
    expect(await post({ uri: uriOf(good), origin: { ...origin, poolKey: '../x' } })).toBe(400)
    const facts = await request(`${it.url()}/v1/adapters/..%2f..%2fetc/facts?pool=team/pool`, {
      headers: { authorization: `Bearer ${controllerToken(secret)}` },
    })
    await facts.body.dump()
    expect(facts.statusCode).toBe(404)
  })
})

describe('sources of a depot', () => {
  const reason = async (it: Awaited<ReturnType<typeof bed>>, uri: string, of = origin) => {
    const outcome = await it.client().fetch({ uri, expectedDigest: undefined, origin: of }, never)
    return outcome.outcome === 'Stored' ? 'Stored' : `${outcome.outcome} ${outcome.problem.reason}`
  }

  test('are files below its roots only, links followed', async () => {
    await using it = await bed()
    expect(await reason(it, uriOf(good))).toBe('Stored')
    expect(await reason(it, 'file:///etc/')).toBe('Refused SourceForbidden')
    await using linked = await bed({ sources: { fileRoots: [join(it.folder, 'root')] } })
    await mkdir(join(it.folder, 'root'))
    await symlink(good, join(it.folder, 'root', 'link'))
    expect(await reason(linked, uriOf(join(it.folder, 'root', 'link')))).toBe(
      'Refused SourceForbidden',
    )
  })

  test('are claims, of which a pod that reads them tells', async () => {
    await using it = await bed()
    const claim = join(it.folder, 'claim')
    await cp(good, join(claim, 'sub', 'tickets'), { recursive: true })
    const tokenDigest = tokenDigestOf('token')
    const logger = pino({ level: 'silent' })
    const server = await createClaimServer({ folder: claim, claim: 'models', tokenDigest, logger })
    await listen(server, '127.0.0.1', 0, '--port')
    const order = { uri: 'pvc://models/sub/tickets', expectedDigest: undefined, origin }
    const fetch = async (more: object) => it.client().fetch({ ...order, ...more }, never)
    try {
      const reader = { url: urlOf(server), token: 'token' }
      const digest = await digestFolder(good)
      expect(await fetch({ reader })).toMatchObject({ outcome: 'Stored', adapter: { digest } })
      expect(await fetch({ reader: { ...reader, token: 'other' } })).toMatchObject({
        outcome: 'Failed',
        problem: { reason: 'SourceUnreachable' },
      })
      // By a controller of an earlier release, during an upgrade.
      expect(await fetch({})).toMatchObject({
        outcome: 'Failed',
        problem: { reason: 'ClaimNotMounted' },
      })
    } finally {
      await server.close()
    }
  })

  test('are https servers, with the credentials of the Secret that is named', async () => {
    await using it = await bed()
    await using server = await serveFiles()
    const url = server.url('/a/')
    server.before = (asked, response) => {
      if (asked.headers.authorization === 'Bearer right') {
        return false
      }
      response.writeHead(401).end()
      return true
    }
    const encode = (text: string) => Buffer.from(text).toString('base64')
    const withSecret = { ...origin, secret: { namespace: 'acme', name: 'files' } }
    expect(await reason(it, url, withSecret)).toBe('Failed CredentialsInvalid')
    const data = { authorization: encode('Bearer right\n'), 'ca.crt': encode(testCertificate) }
    it.secrets.set('acme/files', { type: 'Opaque', data })
    expect(await reason(it, url, withSecret)).toBe('Failed CredentialsInvalid')
    it.secrets.set('acme/files', { type: 'loraplex.dev/source', data })
    expect(await reason(it, url, withSecret)).toBe('Refused SourceNotFound')
    expect(server.seen.length).toBeGreaterThan(0)
    const wrong = { ...data, authorization: encode('Bearer wrong') }
    it.secrets.set('acme/files', { type: 'loraplex.dev/source', data: wrong })
    expect(await reason(it, url, withSecret)).toBe('Failed SourceDenied')
    expect(await reason(it, 'https://169.254.169.254/latest/', withSecret)).toBe(
      'Refused SourceForbidden',
    )
  })

  test('give content to another adapter only when its own source does', async () => {
    await using it = await bed()
    const digest = await digestFolder(good)
    await it.client().fetch({ uri: uriOf(good), expectedDigest: undefined, origin }, never)
    const other = { ...origin, poolKey: 'team/other' }
    const outcome = await it
      .client()
      .fetch({ uri: uriOf(`${good}-x`), expectedDigest: digest, origin: other }, never)
    expect(outcome.outcome).toBe('Refused')
    expect(await it.client().stored(digest, { origin: other })).toBeUndefined()
  })

  test('end with the caller who asked', async () => {
    await using it = await bed()
    await using server = await serveFiles()
    let ended = false
    server.before = (_asked, response) => {
      response.writeHead(200).write('{')
      response.on('close', () => {
        ended = true
      })
      return true
    }
    it.secrets.set('acme/ca', {
      type: 'loraplex.dev/source',
      data: { 'ca.crt': Buffer.from(testCertificate).toString('base64') },
    })
    const gone = new AbortController()
    const of = { ...origin, secret: { namespace: 'acme', name: 'ca' } }
    const fetching = it
      .client()
      .fetch({ uri: server.url('/a/'), expectedDigest: undefined, origin: of }, gone.signal)
    await vi.waitFor(() => expect(server.seen.length).toBe(1), patience)
    gone.abort()
    await expect(fetching).rejects.toBeInstanceOf(Error)
    await vi.waitFor(() => expect(ended).toBe(true), { timeout: 5000 })
  })
})

describe('the check of an adapter in a depot', () => {
  async function sendBase(it: Awaited<ReturnType<typeof bed>>, folder = baseFolder) {
    const key = preflightOptions.baseModelPath ?? ''
    await it.agent().sendBase(key, tarOf(await headersOf(folder)), never)
  }

  test('leaves to the canary what cannot be known before an agent sent the base', async () => {
    await using it = await bed()
    const order = { uri: uriOf(good), expectedDigest: undefined, origin }
    const fetched = await it.client().fetch(order, never)
    const path = fetched.outcome === 'Stored' ? fetched.adapter.path : ''
    expect(await it.client().preflight(path, preflightOptions, never, { origin })).toMatchObject({
      verdict: 'Unknown',
      provisional: true,
    })
    await sendBase(it)
    expect(await it.client().preflight(path, preflightOptions, never, { origin })).toMatchObject({
      verdict: 'Compatible',
    })
  })

  test('finds what does not fit from headers alone, and takes no norm from weights that are not there', async () => {
    await using it = await bed()
    await sendBase(it)
    const judge = async (name: string) => {
      const uri = uriOf(join(fixtures, name))
      const fetched = await it.client().fetch({ uri, expectedDigest: undefined, origin }, never)
      const path = fetched.outcome === 'Stored' ? fetched.adapter.path : ''
      const verdict = await it.client().preflight(path, preflightOptions, never, { origin })
      return verdict.verdict === 'Refused' ? verdict.problems[0]?.reason : verdict.verdict
    }
    expect(await judge('adapters-broken/other-base')).toBe('ShapeMismatch')
    // Over a norm of zero every update would be infinitely large.
    expect(await judge('adapters/acme-tickets')).toBe('Compatible')
    expect(await judge('adapters-broken/finite-but-huge')).toBe('UpdateTooLarge')
  })

  test('tells a pool whether it has its base, which it may have lost', async () => {
    await using it = await bed()
    const key = preflightOptions.baseModelPath ?? ''
    expect(await it.agent().hasBase(key, never)).toBe(false)
    await sendBase(it)
    expect(await it.agent().hasBase(key, never)).toBe(true)
    await expect(it.agent('team/other').hasBase(key, never)).rejects.toMatchObject({ status: 403 })
  })

  test('takes no base from another pool, nor anything that is no base', async () => {
    await using it = await bed()
    const key = preflightOptions.baseModelPath ?? ''
    const tar = async () => tarOf(await headersOf(baseFolder))
    await expect(it.agent('team/other').sendBase(key, await tar(), never)).rejects.toMatchObject({
      status: 403,
    })
    const script = tarOf([{ name: '../run.sh', path: join(baseFolder, 'config.json') }])
    await expect(it.agent().sendBase(key, script, never)).rejects.toMatchObject({ status: 400 })
    const nothing = tarOf([{ name: 'a.safetensors', path: join(baseFolder, 'config.json') }])
    await expect(it.agent().sendBase(key, nothing, never)).rejects.toMatchObject({ status: 400 })
    const answer = await request(`${it.url()}/v1/bases/${key}`, {
      method: 'PUT',
      headers: {
        authorization: `Bearer ${depotToken(secret, poolKey)}`,
        [poolHeader]: poolKey,
        'content-type': 'application/x-tar',
      },
      body: 'no tar at all'.repeat(100),
    })
    await answer.body.dump()
    expect(answer.statusCode).toBe(400)
  })

  test('serves the controller’s intake as its tools in one process do', async () => {
    await using it = await bed()
    let changed = 0
    const intake = new AdapterIntake({
      fetch: (order, signal) => it.client().fetch(order, signal),
      stored: (digest, order) => it.client().stored(digest, order),
      preflight: (path, options, signal, of) => it.client().preflight(path, options, signal, of),
      onChange: () => {
        changed += 1
      },
    })
    const order: IntakeRequest = {
      uri: uriOf(good),
      baseFolder: '/',
      expectedDigest: undefined,
      knownDigest: undefined,
      generation: 1,
      preflight: preflightOptions,
      origin,
    }
    const now = () => intake.of('acme/tickets', order)
    await vi.waitFor(
      () => expect(now()).toMatchObject({ state: 'Accepted', compatible: 'Unknown' }),
      { timeout: 10_000 },
    )
    await sendBase(it)
    await vi.waitFor(() => expect(now()).toMatchObject({ compatible: 'True' }), { timeout: 10_000 })
    expect(changed).toBeGreaterThan(1)
    // A pod of the depot goes, and its emptyDir with it.
    const digest = await digestFolder(good)
    const kept = { pools: { [poolKey]: [digest] } }
    expect((await it.client().retain(kept)).missing).toEqual({})
    await rm(join(it.folder, 'cache'), { recursive: true })
    await it.restart()
    const { missing } = await it.client().retain(kept)
    expect(missing).toEqual(kept.pools)
    intake.lost(missing)
    const pull = () => it.agent().pull(digest, it.store, never)
    await vi.waitFor(async () => expect(await pull()).toMatchObject({ outcome: 'Stored' }), {
      timeout: 10_000,
    })
    expect(now()).toMatchObject({ state: 'Accepted', digest })
    intake.close()
  })
})
