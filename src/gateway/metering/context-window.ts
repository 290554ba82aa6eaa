import type { ModelPool } from '../../api/model-pool.ts'

/**
 * Tokens that a prompt and its answer have together; undefined where nobody said.
 * @param ofEngines the smallest of the pool's engines, as they say themselves
 */
export function contextWindowOf(
  pool: ModelPool,
  ofEngines: number | undefined,
): number | undefined {
  const { maxModelLen } = pool.spec.model
  return maxModelLen === undefined || ofEngines === undefined
    ? (maxModelLen ?? ofEngines)
    : Math.min(maxModelLen, ofEngines)
}
