/** Top-k log probabilities, token → logprob, one map a position. */
export type Positions = readonly ReadonlyMap<string, number>[]

/** One answer a prompt: what the adapter said, and what the base said twice within the same second. */
export interface CanaryEvidence {
  readonly adapter: readonly Positions[]
  readonly base: readonly Positions[]
  readonly baseAgain: readonly Positions[]
}

export type CanaryVerdict =
  | { readonly verdict: 'Effective'; readonly difference: number; readonly noise: number }
  | { readonly verdict: 'NoEffect'; readonly difference: number; readonly noise: number }
  /** The adapter's answer holds NaN or infinity. */
  | { readonly verdict: 'NonFinite' }
  /** The base's own answer does, so nothing can be said about the adapter. */
  | { readonly verdict: 'BaseNonFinite' }
  /** No position to compare: the engine gave no log probabilities. */
  | { readonly verdict: 'Inconclusive' }

/** DESIGN 2.5: the base moves by 4e-7 under load (measured, CPU), a trained adapter by more than 1e-2. */
export const smallestEffect = 1e-3
export const effectOverNoise = 10

/** Base answers that moved by less are noise of batching in low precision; poisoned ones move by whole units. */
const smallestBaseChange = 0.25
const baseChangeOverNoise = 100

/** Did this adapter do anything, beyond what the base does to itself? */
export function judgeCanary(evidence: CanaryEvidence): CanaryVerdict {
  if (!allFinite(evidence.base) || !allFinite(evidence.baseAgain)) {
    return { verdict: 'BaseNonFinite' }
  }
  if (!allFinite(evidence.adapter)) {
    return { verdict: 'NonFinite' }
  }
  const difference = largestDifferenceOver(evidence.adapter, evidence.base)
  const noise = largestDifferenceOver(evidence.base, evidence.baseAgain)
  if (difference === undefined || noise === undefined) {
    return { verdict: 'Inconclusive' }
  }
  const effective = difference > effectOverNoise * noise && difference > smallestEffect
  return { verdict: effective ? 'Effective' : 'NoEffect', difference, noise }
}

/** Does the base still answer its sentinel questions as it did when the engine started? */
export function baseChanged(before: readonly Positions[], now: CanaryEvidence['base'], noise = 0) {
  if (!allFinite(now)) {
    return true
  }
  const difference = largestDifferenceOver(before, now)
  return difference === undefined
    ? before.some((positions) => positions.length > 0)
    : difference > Math.max(smallestBaseChange, baseChangeOverNoise * noise)
}

/** Largest over all prompts; undefined when no prompt has a position on both sides. */
export function largestDifferenceOver(
  left: readonly Positions[],
  right: readonly Positions[],
): number | undefined {
  const differences = left.flatMap((positions, index) => {
    const difference = largestDifference(positions, right[index] ?? [])
    return difference === undefined ? [] : [difference]
  })
  return differences.length === 0 ? undefined : Math.max(...differences)
}

/**
 * Compares position by position while both chose the same tokens: after the first different choice the two continue
 * different texts, and that position already tells them apart.
 */
function largestDifference(left: Positions, right: Positions): number | undefined {
  let largest: number | undefined
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const [ours, theirs] = [left[index], right[index]]
    if (ours === undefined || theirs === undefined || ours.size === 0 || theirs.size === 0) {
      break
    }
    largest = Math.max(largest ?? 0, differenceAt(ours, theirs))
    if (mostLikely(ours) !== mostLikely(theirs)) {
      break
    }
  }
  return largest
}

/** Over the union of tokens; one that a side does not list is there at most as likely as that side's last listed. */
function differenceAt(
  ours: ReadonlyMap<string, number>,
  theirs: ReadonlyMap<string, number>,
): number {
  const [ourFloor, theirFloor] = [Math.min(...ours.values()), Math.min(...theirs.values())]
  let largest = 0
  for (const [token, our] of ours) {
    const their = theirs.get(token)
    largest = Math.max(largest, their === undefined ? our - theirFloor : Math.abs(our - their))
  }
  for (const [token, their] of theirs) {
    largest = Math.max(largest, ours.has(token) ? 0 : their - ourFloor)
  }
  return largest
}

function mostLikely(position: ReadonlyMap<string, number>): string | undefined {
  let best: [string, number] | undefined
  for (const entry of position) {
    if (best === undefined || entry[1] > best[1]) {
      best = entry
    }
  }
  return best?.[0]
}

function allFinite(answers: readonly Positions[]): boolean {
  return answers.every((positions) =>
    positions.every((position) => [...position.values()].every(Number.isFinite)),
  )
}
