import { findVllm, type VllmExecutable } from '../engine/find-vllm.ts'
import { UserError } from '../errors.ts'

/** What runs under a pool on this machine. */
export type EngineKind =
  | ({ readonly kind: 'Vllm' } & VllmExecutable)
  | { readonly kind: 'Simulator' }

/**
 * `auto` takes a vLLM where there is one, else the bundled simulator.
 * @throws UserError when vllm was asked for and there is none, or the one found is too old.
 */
export async function chooseEngine(
  wanted: 'auto' | 'vllm' | 'simulator',
  env: NodeJS.ProcessEnv,
): Promise<EngineKind> {
  if (wanted === 'simulator') {
    return { kind: 'Simulator' }
  }
  const found = await findVllm({ env })
  if (found !== undefined) {
    return { kind: 'Vllm', ...found }
  }
  if (wanted === 'vllm') {
    throw new UserError(
      'There is no vllm on the PATH, and LORAPLEX_VLLM names none.\nInstall vLLM 0.32 or newer, set LORAPLEX_VLLM to its executable, or run with --engine simulator.',
    )
  }
  return { kind: 'Simulator' }
}
