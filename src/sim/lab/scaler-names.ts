import type { AutoscalePolicy } from '../../core/autoscale.ts'
import type { EngineCosts } from '../../core/route-cost.ts'
import type { ScalePolicy } from './scale-policy.ts'
import { clairvoyant } from './scalers/clairvoyant.ts'
import { fixed } from './scalers/fixed.ts'
import { hpa } from './scalers/hpa.ts'
import { keda } from './scalers/keda.ts'
import { kubeAi } from './scalers/kubeai.ts'
import { loraplexScaler } from './scalers/loraplex.ts'
import { wva } from './scalers/wva.ts'

/** What a scaling rule may know of the pool, and a clairvoyant one of the tape. */
export interface ScalerContext {
  readonly costs: EngineCosts
  /** The objective between tokens, in milliseconds. */
  readonly tpotMs: number
  readonly minReplicas: number
  readonly maxReplicas: number
  /** There at the start, and all the time with `fixed`. */
  readonly replicas: number
  readonly coldStartMs: number
  /** What a replica runs at once at 0.8 of its bound: the concurrency knee that others' guides tell to measure. */
  readonly knee: number
  /** Replicas needed in each window, not rounded. */
  readonly need: Float64Array
  readonly windowMs: number
  /** Of Loraplex's; absent: its preset. */
  readonly spare?: number | undefined
}

type ScalerMaker = (context: ScalerContext) => ScalePolicy

/** Every scaling rule by the name it is asked for. A rule has state of its own: one a run. */
const makers: ReadonlyMap<string, ScalerMaker> = new Map<string, ScalerMaker>([
  ['fixed', ({ replicas }) => fixed(replicas)],
  ['loraplex', ({ tpotMs, costs, ...more }) => loraplex({ ...more, known: { tpotMs, costs } })],
  [
    'loraplex-learned',
    ({ tpotMs, ...more }) => ({
      ...loraplex({ ...more, known: { tpotMs } }),
      source: 'core/autoscale.ts, told the objective; what engines cost is learned',
    }),
  ],
  [
    'loraplex-queue',
    (context) => ({
      ...loraplex({ ...context, known: {} }),
      source: 'core/autoscale.ts without an objective: replicas follow the queue',
    }),
  ],
  ['hpa', hpaOnQueue],
  ['hpa-running', hpaOnRunning],
  ['keda', ({ knee }) => keda(knee)],
  ['kubeai', ({ knee }) => kubeAi(knee)],
  ['wva', wva],
  [
    'clairvoyant',
    ({ replicas, ...context }) => clairvoyant({ ...context, initial: replicas }).policy,
  ],
])

/** A fleet of one size. */
export const usualScaler = 'fixed'

export const scalerNames: readonly string[] = [...makers.keys()]

/** A fresh rule; undefined where there is none of that name. */
export function scalerNamed(name: string, context: ScalerContext): ScalePolicy | undefined {
  const made = makers.get(name)?.(context)
  return made === undefined ? undefined : { ...made, name }
}

interface OwnOptions extends Pick<
  ScalerContext,
  'minReplicas' | 'maxReplicas' | 'replicas' | 'coldStartMs' | 'spare'
> {
  readonly known: { readonly tpotMs?: number; readonly costs?: EngineCosts }
}

/** With the presets of a ModelPool. Who had replicas at the start knows how long one takes. */
function loraplex(options: OwnOptions): ScalePolicy {
  const { minReplicas, maxReplicas, replicas, coldStartMs, spare, known } = options
  const policy: AutoscalePolicy = {
    minReplicas,
    maxReplicas,
    targetQueueDepth: 4,
    scaleToZeroAfterSeconds: 900,
    scaleDownStabilizationSeconds: 300,
  }
  return loraplexScaler({
    policy,
    ...known,
    ...(replicas > 0 ? { coldStartMs } : {}),
    ...(spare === undefined ? {} : { spare }),
  })
}

function hpaOnQueue(): ScalePolicy {
  return hpa({
    name: 'hpa',
    source: 'production-stack tutorial, vllm:num_requests_waiting; 4 a pod',
    metrics: [{ of: ({ waiting }) => waiting, target: 4 }],
  })
}

function hpaOnRunning({ knee }: ScalerContext): ScalePolicy {
  return hpa({
    name: 'hpa-running',
    source: 'llm-d: queue and running requests, the greater of both',
    metrics: [
      { of: ({ waiting }) => waiting, target: 4 },
      { of: ({ running }) => running, target: knee },
    ],
  })
}
