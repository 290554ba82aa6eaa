import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { pino } from 'pino'
import { request } from 'undici'
import { expect, test, vi } from 'vitest'
import { startDepot } from '../../test/support/start-depot.ts'
import type { StateMessage } from '../api/agent-protocol.ts'
import { revisionOf } from '../api/names.ts'
import { startSimulator } from '../sim/server.ts'
import { createAgentLink } from '../wire/agent-link.ts'
import { createDepotClient } from '../wire/depot-client.ts'
import { baseKeyOf } from '../wire/depot-protocol.ts'
import { agentToken, controllerToken, depotToken } from '../wire/internal-auth.ts'
import { AgentProcess } from './agent-process.ts'

const fixtures = fileURLToPath(new URL('../../test/fixtures/', import.meta.url))
const poolKey = 'team/pool'
const replica = 'team/pool-engine-0@uid'
const modelUri = 'hf://org/tiny@main'
const secret = Buffer.alloc(32, 3)
const logger = pino({ level: 'silent' })
const never = new AbortController().signal
const patience = { timeout: 20_000, interval: 20 }

async function pod() {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-pod-'))
  const secretFile = join(folder, 'secret')
  const depotStarts = startDepot({
    cacheFolder: join(folder, 'cache'),
    secretFile,
    sources: { fileRoots: [fixtures] },
  })
  // The depot is started before the controller has made the secret.
  await writeFile(secretFile, secret)
  const depot = await depotStarts
  const engineOptions = {
    modelPath: join(fixtures, 'tiny-llama'),
    servedModelNames: ['lpx-base'],
    apiKey: 'engine-key',
    maxLoras: 2,
    maxCpuLoras: 8,
    maxRank: 64,
  }
  let engine = await startSimulator(engineOptions)
  const port = Number(new URL(engine.url).port)
  const agent = await AgentProcess.start({
    replica,
    poolKey,
    token: agentToken(secret, poolKey),
    host: '127.0.0.1',
    port: 0,
    engine: { url: engine.url, apiKey: 'engine-key' },
    servedModelName: 'lpx-base',
    maxLoras: 2,
    maxCpuLoras: 8,
    maxStreamMs: 60_000,
    startupTimeoutMs: 60_000,
    adaptersFolder: join(folder, 'adapters'),
    depot: { url: depot.url, token: depotToken(secret, poolKey) },
    model: { uri: modelUri, path: join(fixtures, 'tiny-llama') },
    logger,
  })
  const link = createAgentLink({ replica, url: agent.url, token: agentToken(secret, poolKey) })
  const controller = createDepotClient({ url: depot.url, token: controllerToken(secret) })
  const stop = new AbortController()
  return {
    agent,
    link,
    controller,
    /** As the kubelet restarts a container. */
    restartEngine: async () => {
      engine.crash()
      engine = await startSimulator({ ...engineOptions, port })
    },
    stopEngine: () => engine.close(),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.all([link.close(), controller.close()])
      await agent.stop(0, stop.signal)
      await engine.close()
      await depot.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function routableOn(link: ReturnType<typeof createAgentLink>): () => string[] {
  const messages: StateMessage[] = []
  link.watchState((message) => messages.push(message))
  return () => {
    const last = messages.findLastIndex((message) => message.type === 'hello')
    return messages
      .slice(last)
      .flatMap((it) =>
        it.type === 'residency' && it.residency.state === 'Routable' ? [it.revision] : [],
      )
  }
}

test('an adapter goes from its source through the depot onto an engine, again after a restart', async () => {
  await using it = await pod()
  const origin = { poolKey, namespace: 'acme' }
  const uri = pathToFileURL(join(fixtures, 'adapters/acme-tickets')).href
  const fetched = await it.controller.fetch({ uri, expectedDigest: undefined, origin }, never)
  const { digest, sizeBytes } =
    fetched.outcome === 'Stored' ? fetched.adapter : { digest: '', sizeBytes: 0 }
  const options = {
    baseModelPath: baseKeyOf(poolKey, modelUri),
    baseModelNames: [],
    baseModelCheck: 'Warn',
    maxRank: 64,
    dtype: 'Auto',
  } as const
  // The agent brought the base, so more can be said than Unknown.
  await vi.waitFor(
    async () =>
      expect(await it.controller.preflight(digest, options, never, { origin })).toMatchObject({
        verdict: 'Compatible',
      }),
    patience,
  )
  const routable = routableOn(it.link)
  const revision = revisionOf(poolKey, digest)
  const entries = [{ revision, digest, want: 'Loaded' as const, sizeBytes }]
  await it.link.setDesired({ term: 1, sequence: 1, entries })
  await vi.waitFor(() => expect(routable()).toEqual([revision]), patience)
  await it.restartEngine()
  await vi.waitFor(() => expect(routable()).toEqual([]), patience)
  await vi.waitFor(() => expect(routable()).toEqual([revision]), patience)
})

test('a told agent stays until its engine is gone', async () => {
  await using it = await pod()
  const ready = async () => {
    const answer = await request(`${it.agent.url}/readyz`)
    await answer.body.dump()
    return answer.statusCode
  }
  await vi.waitFor(async () => expect(await ready()).toBe(200), patience)
  let ended = false
  const stopping = it.agent.stop(60_000, never).then(() => {
    ended = true
  })
  expect(await ready()).toBe(503)
  expect(ended).toBe(false)
  await it.stopEngine()
  await stopping
})
