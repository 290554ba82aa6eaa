import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createAgent } from '../agent/agent.ts'
import type { Logger } from '../agent/logger.ts'
import type { ResourceSnapshot } from '../api/kinds.ts'
import { keyOf } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { servedModelNameOf } from '../api/names.ts'
import type { ContentStore } from '../artifacts/content-store.ts'
import { pathOfFileUri } from '../artifacts/source-uri.ts'
import type { ManagedReplica, ReplicaFactory } from '../controller/model-pool/replica-set.ts'
import { createEndpointEngine } from '../engine/endpoint-backend.ts'
import type { EngineCommand } from '../engine/engine-process.ts'
import { freePort } from '../engine/free-port.ts'
import { createEngineClient } from '../engine/http-client.ts'
import { launchArguments } from '../engine/launch-arguments.ts'
import { launchSettingsOf } from '../engine/launch-settings.ts'
import { createProcessEngine } from '../engine/process-backend.ts'
import type { Engine, EngineAddress, LaunchSettings } from '../engine/types.ts'
import { UserError } from '../errors.ts'
import type { EngineKind } from './engine-kind.ts'

export interface ReplicaFactoryOptions {
  readonly engine: EngineKind
  readonly stateFolder: string
  readonly store: ContentStore
  readonly snapshot: () => ResourceSnapshot
  readonly logger: Logger
}

/** Replicas of one machine: engines as child processes on loopback, or servers that already run, each with its agent. */
export function createReplicaFactory(options: ReplicaFactoryOptions): ReplicaFactory {
  return {
    fingerprint: (pool, place) => JSON.stringify([place, engineSettings(pool, options.snapshot())]),
    create: async (pool, place) => {
      const engine =
        typeof place === 'string'
          ? await endpointEngine(pool, place, options)
          : await processEngine(pool, place, options)
      return withAgent(engine, pool, options)
    },
  }
}

/** Everything a change of which needs another engine. */
function engineSettings(pool: ModelPool, snapshot: ResourceSnapshot): object {
  const { model, engine, lora } = pool.spec
  const { maxLoras, maxCpuLoras, maxRank, dtype } = lora
  return {
    model: modelPathOf(pool, snapshot),
    task: model.task,
    inputs: model.inputs,
    maxModelLen: model.maxModelLen,
    quantization: model.quantization,
    engine,
    lora: { maxLoras, maxCpuLoras, maxRank, dtype },
  }
}

/** @throws UserError when the pool's model is not a folder with a config.json. */
function requireModel(path: string, pool: ModelPool): string {
  if (!existsSync(join(path, 'config.json'))) {
    throw new UserError(
      `spec.model.uri (${pool.spec.model.uri}) is no folder with a config.json. Correct the path, or put the checkpoint there.`,
    )
  }
  return path
}

function modelPathOf(pool: ModelPool, snapshot: ResourceSnapshot): string {
  const found = pathOfFileUri(
    pool.spec.model.uri,
    snapshot.baseFolders.get(`ModelPool/${keyOf(pool.metadata)}`) ?? process.cwd(),
  )
  return found.ok ? found.path : ''
}

async function processEngine(
  pool: ModelPool,
  place: number,
  options: ReplicaFactoryOptions,
): Promise<Engine> {
  const snapshot = options.snapshot()
  const poolKey = keyOf(pool.metadata)
  const servedModelName = servedModelNameOf(
    poolKey,
    pool.spec.model.uri,
    JSON.stringify(engineSettings(pool, snapshot)),
  )
  const apiKey = randomBytes(24).toString('base64url')
  const port = await freePort()
  const settings = launchSettingsOf(pool.spec, {
    modelPath: requireModel(modelPathOf(pool, snapshot), pool),
    servedModelName,
    tensorParallel: pool.spec.engine.parallelism.tensor ?? 1,
  })
  return createProcessEngine({
    name: `${pool.metadata.namespace}.${pool.metadata.name}-${place}`,
    servedModelName,
    port,
    apiKey,
    stateFolder: options.stateFolder,
    command: () => engineCommand(options.engine, settings, { host: '127.0.0.1', port, apiKey }),
    startupTimeoutMs: pool.spec.engine.startupTimeoutSeconds * 1000,
    restartGraceMs: 10_000,
  })
}

function engineCommand(
  engine: EngineKind,
  settings: LaunchSettings,
  place: { readonly host: string; readonly port: number; readonly apiKey: string },
): EngineCommand {
  if (engine.kind === 'Vllm') {
    return {
      file: engine.path,
      ...launchArguments(settings, { ...place, isCpuBuild: engine.isCpuBuild }),
    }
  }
  const { args, env } = launchArguments(settings, place)
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return {
    file: process.execPath,
    args: [fileURLToPath(new URL(`../sim/main.${extension}`, import.meta.url)), ...args],
    env,
  }
}

async function endpointEngine(
  pool: ModelPool,
  place: string,
  options: ReplicaFactoryOptions,
): Promise<Engine> {
  const endpoint = pool.spec.engine.endpoints.find((one) => one.name === place)
  if (endpoint === undefined) {
    throw new UserError(
      `spec.engine.endpoints of ModelPool ${keyOf(pool.metadata)} has no ${place}.`,
    )
  }
  const address: EngineAddress = {
    url: endpoint.url.replace(/\/$/, ''),
    apiKey: endpointKey(pool, endpoint.secretRef?.name, options.snapshot()),
  }
  return createEndpointEngine({
    name: `${pool.metadata.namespace}.${pool.metadata.name}-${place}`,
    address,
    servedModelName: await askServedName(address),
    adapterRoot: endpoint.adapterRoot,
  })
}

function endpointKey(
  pool: ModelPool,
  secret: string | undefined,
  snapshot: ResourceSnapshot,
): string | undefined {
  if (secret === undefined) {
    return undefined
  }
  const key = snapshot.secrets.get(`${pool.metadata.namespace}/${secret}`)?.data['api-key']
  if (key === undefined) {
    throw new UserError(
      `Secret ${pool.metadata.namespace}/${secret} with the key api-key is needed by spec.engine.endpoints[].secretRef.`,
    )
  }
  return key
}

/** A server that already runs has its own name for its base. */
async function askServedName(address: EngineAddress): Promise<string> {
  const client = createEngineClient(address)
  try {
    const models = await client.models(AbortSignal.timeout(5000))
    const base = models.find((model) => model.parent === undefined)
    if (base === undefined) {
      throw new UserError(`The server at ${address.url} lists no base model.`)
    }
    return base.id
  } catch (error) {
    throw error instanceof UserError
      ? error
      : new UserError(
          `The server at ${address.url} does not answer GET /v1/models; it is tried again.`,
          1,
          error,
        )
  } finally {
    await client.close()
  }
}

function withAgent(
  engine: Engine,
  pool: ModelPool,
  options: ReplicaFactoryOptions,
): ManagedReplica {
  const isEndpoint = pool.spec.engine.endpoints.length > 0
  const agent = createAgent({
    replica: engine.name,
    engine,
    createClient: createEngineClient,
    adapters: options.store,
    maxLoras: pool.spec.lora.maxLoras,
    maxCpuLoras: pool.spec.lora.maxCpuLoras,
    logger: options.logger,
    times: { drainLimitMs: pool.spec.maxStreamSeconds * 1000 },
  })
  return {
    name: engine.name,
    engine,
    link: agent,
    mayDelete: (digest) => agent.mayDelete(digest),
    start: () => {
      engine.start()
      agent.start()
    },
    close: async (graceMs) => {
      if (graceMs > 0) {
        await Promise.race([
          agent.drain(),
          new Promise((resolve) => setTimeout(resolve, graceMs).unref()),
        ])
      }
      await agent.close()
      if (!isEndpoint) {
        await engine.stop(graceMs > 0 ? 10_000 : 2000)
      } else {
        await engine.stop(0)
      }
    },
  }
}
