import { EngineError } from './engine-error.ts'
import type { EngineClient } from './types.ts'
import { isSupportedVersion, minimumVersion } from './version.ts'

/** `owned_by` of the simulator's models; vLLM's is `vllm`. */
export const simulatorOwner = 'loraplex-simulator'

export interface FoundEngine {
  readonly found: 'Engine'
  readonly version: string
  /** It says itself that it is the bundled simulator. */
  readonly simulated: boolean
  /** Of its process; Unix seconds. */
  readonly startTimeSeconds: number | undefined
}

/** What answers at an engine's address. */
export type ProbeResult =
  | FoundEngine
  | { readonly found: 'Nothing'; readonly message: string }
  | { readonly found: 'TooOld'; readonly message: string }
  /** Somebody answers, but it is not this engine: other models, another key, no vLLM. */
  | { readonly found: 'Stranger'; readonly message: string }

/** vLLM listens only once its model is loaded, so whoever answers with the right model is ready. */
export async function probe(
  client: EngineClient,
  servedModelName: string,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  try {
    const models = await client.models(signal)
    const bases = models.filter((model) => model.parent === undefined)
    const base = bases.find((model) => model.id === servedModelName)
    if (base === undefined) {
      const names = bases.slice(0, 3).map((model) => model.id)
      const served = names.join(', ') || 'nothing'
      return { found: 'Stranger', message: `It serves ${served}, not ${servedModelName}.` }
    }
    const version = await client.version(signal)
    if (!isSupportedVersion(version)) {
      return {
        found: 'TooOld',
        message: `It is vLLM ${version}; Loraplex needs ${minimumVersion} or newer, because older ones can answer with another adapter's weights.`,
      }
    }
    const { processStartTimeSeconds } = await client.metrics(signal)
    return {
      found: 'Engine',
      version,
      simulated: base.ownedBy === simulatorOwner,
      startTimeSeconds: processStartTimeSeconds,
    }
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof EngineError)) {
      throw error
    }
    return { found: error.kind === 'Unreachable' ? 'Nothing' : 'Stranger', message: error.message }
  }
}
