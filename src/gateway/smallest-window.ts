import type { ReplicaView } from './replica-view.ts'

/** Tokens of a prompt and its answer together that each engine takes; undefined where none said. */
export function smallestWindow(views: readonly ReplicaView[]): number | undefined {
  let least: number | undefined
  for (const { maxModelLen } of views) {
    least = maxModelLen === undefined ? least : Math.min(maxModelLen, least ?? maxModelLen)
  }
  return least
}
