/** How long replicas of a pool had so many adapters in flight at once, lately. */
export interface SlotHistory {
  readonly atMs: number
  /** Seconds by number of slots in use; index 0 is 1 slot. Idle time says nothing of how many are needed. */
  readonly seconds: readonly number[]
}

export interface MaxLorasAdvice {
  readonly maxLoras: number
  readonly message: string
}

interface LoraSettings {
  readonly maxLoras: number
  readonly maxRank: number
}

/** Forgotten by half in a day: a quiet night does not undo what the day showed. */
const halfLifeMs = 86_400_000
/** Busy seconds, over all replicas, before anything is said. */
const enoughSeconds = 3600
const quantile = 0.99
const headroom = 1.1
/** KV tokens that a slot takes from the engine, for each rank of `max_lora_rank`; milliseconds that it adds to each step.
 * Source: vLLM on an H100, Llama 3.1 8B, 8 to 224 slots (F. Agulló et al., arXiv:2508.08343; fitted anew). */
const kvTokensPerRank = 47
const stepMs = 0.019
/** Of the values between which the difference is worth a restart of the engines. */
const sensible = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]

/**
 * One look at the slots in use on each ready replica: counted for the time since the look before.
 *
 * @param nowMs of a clock that never goes back
 */
export function observeSlots(
  before: SlotHistory | undefined,
  used: readonly number[],
  nowMs: number,
): SlotHistory {
  const sinceMs = nowMs - (before?.atMs ?? nowMs)
  const kept = 0.5 ** (sinceMs / halfLifeMs)
  const seconds = (before?.seconds ?? []).map((one) => one * kept)
  for (const count of used.filter((one) => one > 0)) {
    while (seconds.length < count) {
      seconds.push(0)
    }
    seconds[count - 1] = (seconds[count - 1] ?? 0) + sinceMs / 1000
  }
  return { atMs: nowMs, seconds }
}

/**
 * `lora.maxLoras` from what was seen: the slots that are enough 99 % of the busy time and a tenth more, rounded up. Just above
 * the working set is where throughput is best: fewer slots starve adapters, more take KV cache and time from every step.
 * Undefined until enough was seen.
 */
export function adviseMaxLoras(
  { seconds }: SlotHistory,
  { maxLoras, maxRank }: LoraSettings,
): MaxLorasAdvice | undefined {
  const busy = seconds.reduce((sum, one) => sum + one, 0)
  if (busy < enoughSeconds) {
    return undefined
  }
  const seen = quantileOf(seconds, busy)
  const needed = Math.ceil(seen * headroom - 1e-9)
  const advised = sensible.find((one) => one >= needed) ?? needed
  const isFull = seen >= maxLoras
  const words = isFull
    ? `All ${maxLoras} slots of a replica were in use more than 1 % of the busy time: how many more would be, more slots will show.`
    : `${seen} slots of a replica were enough 99 % of the busy time; with a tenth more, rounded, that is ${advised}.`
  return { maxLoras: advised, message: `${words} ${costWords(advised - maxLoras, maxRank)}` }
}

function quantileOf(seconds: readonly number[], busy: number): number {
  let sum = 0
  for (const [at, one] of seconds.entries()) {
    sum += one
    if (sum >= busy * quantile - 1e-9) {
      return at + 1
    }
  }
  return seconds.length
}

function costWords(more: number, maxRank: number): string {
  if (more === 0) {
    return 'lora.maxLoras is that.'
  }
  const slots = Math.abs(more)
  const tokens = slots * kvTokensPerRank * maxRank
  const costs = `about ${tokens} tokens of KV cache and ${(slots * stepMs).toFixed(1)} ms of each step (for a base of 8 billion parameters)`
  return more > 0
    ? `${slots} more than lora.maxLoras, which cost ${costs}.`
    : `${slots} fewer than lora.maxLoras, which gives back ${costs}.`
}
