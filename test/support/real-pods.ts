import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import type { Agent } from '../../src/agent/options.ts'
import { AgentProcess } from '../../src/cluster/agent-process.ts'
import { h100Llama8b } from '../../src/sim/profile.ts'
import { startSimulator } from '../../src/sim/server.ts'
import { agentToken, depotToken, engineKey } from '../../src/wire/internal-auth.ts'
import type { PodPlace, StartPod } from './cluster-node.ts'
import { EngineTap, type SeenCall } from './engine-tap.ts'

export interface RealPod extends PodPlace {
  readonly agent: Agent
  /** What gateways have asked its engine for; the agent's own calls are not among them. */
  readonly calls: readonly SeenCall[]
  /** When its engine answered first; undefined before. */
  readonly engineUpMs: () => number | undefined
  /** When a gateway could first know that a revision is routable here. */
  readonly routableMs: ReadonlyMap<string, number>
}

export interface RealPodOptions {
  readonly secret: Buffer
  /** For what agents keep on disk. */
  readonly folder: string
  readonly depotUrl: () => string
  readonly model: string
  readonly maxLoras: number
  readonly maxCpuLoras: number
  /** From the start of a pod until its engine answers. */
  readonly startupMs: number
  /** As long as an H100 takes; else as fast as it goes. */
  readonly isSlow: boolean
}

const tinyLlama = fileURLToPath(new URL('../fixtures/tiny-llama', import.meta.url))
/** The agent asks its engine there; port 8000 is the tap. */
const enginePort = 8001

/** Pods with the agent that the product runs and a simulated engine; each pod that was started is in `started`. */
export function realPods(options: RealPodOptions, started: RealPod[]): StartPod<Agent> {
  return async (place) => {
    const { address, poolKey, poolRevision, replica, servedModelName } = place
    const { secret, maxLoras, maxCpuLoras, startupMs, isSlow } = options
    const apiKey = engineKey(secret, poolKey, poolRevision)
    const starting = startSimulator({
      host: address,
      port: enginePort,
      apiKey,
      modelPath: tinyLlama,
      servedModelNames: [servedModelName],
      maxLoras,
      maxCpuLoras,
      maxRank: 64,
      startupMs,
      ...(isSlow ? { profile: h100Llama8b } : {}),
    })
    let engineUpMs: number | undefined
    void starting.then(() => {
      engineUpMs = performance.now()
    })
    const tap = await EngineTap.start(address, enginePort)
    const adaptersFolder = join(options.folder, `pod-${address}`)
    const agent = await AgentProcess.start({
      replica,
      poolKey,
      token: agentToken(secret, poolKey),
      host: address,
      port: 8100,
      engine: { url: `http://${address}:${enginePort}`, apiKey },
      servedModelName,
      maxLoras,
      maxCpuLoras,
      maxStreamMs: 60_000,
      startupTimeoutMs: 60_000,
      adaptersFolder,
      depot: { url: options.depotUrl(), token: depotToken(secret, poolKey) },
      model: { uri: options.model, path: tinyLlama },
      logger: pino({ level: 'silent' }),
    })
    const routableMs = new Map<string, number>()
    agent.agent.watchState((message) => {
      if (message.type === 'residency' && message.residency.state === 'Routable') {
        const { revision } = message
        routableMs.set(revision, routableMs.get(revision) ?? performance.now())
      }
    })
    const { calls } = tap
    started.push({ ...place, agent: agent.agent, calls, engineUpMs: () => engineUpMs, routableMs })
    const close = async (): Promise<void> => {
      await agent.stop(0, AbortSignal.abort())
      await tap.close()
      await (await starting).close()
      await rm(adaptersFolder, { recursive: true, force: true })
    }
    return { agent: agent.agent, close }
  }
}
