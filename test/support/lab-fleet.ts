import { LabReplica } from '../../src/sim/lab/lab-replica.ts'
import { LabRequest } from '../../src/sim/lab/lab-request.ts'
import type { RouteView } from '../../src/sim/lab/policy.ts'
import { createRandom } from '../../src/sim/lab/random.ts'
import type { ModelOptions } from '../../src/sim/model-types.ts'
import { tiny } from '../../src/sim/profile.ts'

export const labEngineOptions: ModelOptions = {
  profile: tiny,
  maxLoras: 2,
  maxCpuLoras: 8,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 2048,
  kvTokens: 100_000,
}

const deaf = { firstToken: () => {}, ended: () => {}, loaded: () => {} }

/** Replicas at time 0 with nothing in flight. */
export function aFleet(count: number, options: Partial<ModelOptions> = {}): readonly LabReplica[] {
  const engine = { ...labEngineOptions, ...options }
  return Array.from({ length: count }, (_, index) => new LabReplica(index, engine, 0, deaf))
}

export function aView(replicas: readonly LabReplica[], nowMs = 0, seed = 1): RouteView {
  return { nowMs, replicas, random: createRandom(seed) }
}

export interface RequestShape {
  /** 0: the base. */
  readonly adapter?: number
  readonly tenant?: string
  readonly input?: number
  readonly output?: number
  readonly atMs?: number
  readonly blocks?: readonly number[]
}

export function aRequest(shape: RequestShape = {}): LabRequest {
  const { adapter = 1, input = 100, output = 50, atMs = 0, blocks = [] } = shape
  const name = adapter === 0 ? '' : `a${adapter}`
  const tenant = shape.tenant ?? `t${adapter}`
  const entry = { atMs, tenant, adapter: name, inputTokens: input, outputTokens: output, blocks }
  return new LabRequest(
    entry,
    adapter === 0 ? undefined : { id: adapter, name, path: '' },
    output,
    blocks,
  )
}

/** Puts so many requests of an adapter there. */
export function busy(replica: LabReplica | undefined, count: number, adapter = 1): void {
  for (let at = 0; at < count; at += 1) {
    replica?.submit(aRequest({ adapter }), 0)
  }
}
