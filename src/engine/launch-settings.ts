import type { ModelPoolSpec } from '../api/model-pool.ts'
import type { LaunchSettings } from './types.ts'

/** After a drain nothing is in flight any more; this is for what slipped in. */
const engineDrainSeconds = 10

/** What a pool's spec says of its engines; the rest depends on where they run. */
export function launchSettingsOf(
  { model, engine, lora }: ModelPoolSpec,
  place: Pick<LaunchSettings, 'modelPath' | 'servedModelName' | 'tensorParallel'>,
): LaunchSettings {
  return {
    ...place,
    task: model.task,
    takesImages: model.inputs.includes('Image'),
    maxLoras: lora.maxLoras,
    maxCpuLoras: lora.maxCpuLoras,
    maxRank: lora.maxRank,
    loraDtype: lora.dtype,
    maxModelLen: model.maxModelLen,
    quantization: model.quantization,
    pipelineParallel: engine.parallelism.pipeline,
    dataParallel: engine.parallelism.data,
    extraArgs: engine.args,
    drainTimeoutSeconds: engineDrainSeconds,
  }
}
