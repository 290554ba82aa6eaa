import { keyOf } from '../../api/metadata.ts'
import type { ModelPool } from '../../api/model-pool.ts'
import { tensorParallelOf } from '../../api/gpus.ts'
import { replicaPorts } from '../../api/cluster-names.ts'
import { poolRevisionOf, servedModelNameOfPool } from '../../core/pool-revision.ts'
import type { EngineLaunch, WorkloadSettings } from '../../core/workload-input.ts'
import { modelPlaceOf } from '../../core/workload-names.ts'
import { planWorkload, type Workload } from '../../core/workload.ts'
import { launchArguments } from '../../engine/launch-arguments.ts'
import { launchSettingsOf } from '../../engine/launch-settings.ts'
import { agentToken, depotToken, engineKey, secretFingerprint } from '../../wire/internal-auth.ts'
import { preStopPath } from '../../wire/pre-stop.ts'

export interface PlannedPool {
  readonly poolRevision: string
  readonly servedModelName: string
  readonly workload: Workload
}

/** Everything that a pool's spec comes to on this installation. */
export function planPool(
  pool: ModelPool,
  settings: WorkloadSettings,
  secret: Buffer,
  fingerprint = secretFingerprint(secret),
): PlannedPool {
  const poolKey = keyOf(pool.metadata)
  const poolRevision = poolRevisionOf(pool, fingerprint)
  const servedModelName = servedModelNameOfPool(pool)
  const token = agentToken(secret, poolKey)
  const workload = planWorkload({
    pool,
    settings,
    launch: launchOf(pool, servedModelName),
    tokens: {
      engineKey: engineKey(secret, poolKey, poolRevision),
      agentToken: token,
      depotToken: depotToken(secret, poolKey),
      preStopPath: preStopPath(token),
    },
    poolRevision,
    servedModelName,
  })
  return { poolRevision, servedModelName, workload }
}

function launchOf(pool: ModelPool, servedModelName: string): EngineLaunch {
  const settings = launchSettingsOf(pool.spec, {
    modelPath: modelPlaceOf(pool).path,
    servedModelName,
    tensorParallel: tensorParallelOf(pool.spec),
  })
  // The key comes from the Secret.
  const place = { host: '0.0.0.0', port: replicaPorts.engine, apiKey: undefined }
  return launchArguments(settings, place)
}

/** Why no pods can be made of this spec, if so: what the schema lets through because a folder may have it. */
export function refusePool(pool: ModelPool): string | undefined {
  if (pool.spec.engine.endpoints.length > 0) {
    return 'spec.engine.endpoints is for `loraplex up` on one machine; in a cluster, give spec.engine.image.'
  }
  if (pool.spec.engine.image === undefined) {
    return 'spec.engine.image is missing: name an image of vLLM, such as vllm/vllm-openai:v0.32.0.'
  }
  return undefined
}
