import { basename } from 'node:path'
import type { LoraAdapterSpec } from '../api/lora-adapter.ts'
import type { ModelPoolSpec } from '../api/model-pool.ts'
import type { PreflightOptions } from './types.ts'

/** What a pool asks of an adapter. `baseModelPath` is the pool's `model.uri` as an absolute path. */
export function preflightOptionsOf(
  pool: { readonly metadata: { readonly name: string }; readonly spec: ModelPoolSpec },
  baseModelPath: string,
  adapter: Pick<LoraAdapterSpec, 'baseModel'> = {},
): PreflightOptions {
  const { servedName, baseModelNames } = pool.spec.model
  const names = [basename(baseModelPath), pool.metadata.name, ...baseModelNames]
  return {
    baseModelPath,
    baseModel: adapter.baseModel,
    baseModelNames: [...new Set(servedName === undefined ? names : [...names, servedName])],
    baseModelCheck: pool.spec.lora.baseModelCheck,
    maxRank: pool.spec.lora.maxRank,
    dtype: pool.spec.lora.dtype,
  }
}
