import type { ModelPool } from '../../api/model-pool.ts'

/** Tokens that a prompt and its answer have together; undefined where nobody said. */
export function contextWindowOf(pool: ModelPool): number | undefined {
  return pool.spec.model.maxModelLen
}
