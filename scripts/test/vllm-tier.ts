import { prepareVllmCpu } from '../vllm-cpu.ts'
import type { Tier } from './run-tiers.ts'

/**
 * The contract and end-to-end suites on a real vLLM. `short` is what two cores do in minutes: tests that repeat an
 * experiment for the statistics' sake repeat it less often (`LORAPLEX_TEST_VLLM=short`).
 */
export function vllmTier(length: 'short' | 'full'): Tier {
  return {
    project: 'vllm',
    what: `a real vLLM on this CPU, ${length} form`,
    prepare: async () => void (await prepareVllmCpu()),
    env: { LORAPLEX_TEST_VLLM: length },
  }
}
