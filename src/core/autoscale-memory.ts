import { doneOf, placelessOf, type Sample } from './autoscale-sample.ts'
import { noColdStart, noteReplicas, type ColdStart } from './cold-start.ts'
import type { LoadJump } from './load-rates.ts'
import { noFit, noteServed, type CapacityFit } from './capacity-fit.ts'

export interface Want {
  readonly atMs: number
  readonly lasting: number
  readonly withBacklog: number
}

/** What an autoscaler knows of a pool's past; lost with the process, and soon learned again. */
export interface AutoscaleMemory {
  readonly samples: readonly Sample[]
  /** What was wanted lately, before the stabilisation: for the load, and with what piled up. */
  readonly wants: readonly Want[]
  /** What the load needed, in replicas and parts of them, every ten seconds. */
  readonly levels: readonly { readonly atMs: number; readonly need: number }[]
  /** Requests at once on a replica that has more than it can run, once that was seen. */
  readonly capacity: number | undefined
  /** Tokens of an answer, over the last thousands; undefined before the first. */
  readonly answerTokens: number | undefined
  /** Answers of which it is the mean. */
  readonly answers: number
  /** Distinct adapters in flight on each replica, summed, while hardly anything waits for a place. */
  readonly activeAdapters: number | undefined
  /** Since then the load is what it is now: rates are not taken from before. */
  readonly jump: LoadJump
  readonly coldStart: ColdStart
  readonly fit: CapacityFit
  readonly sinceMs: number
  /** When somebody last asked for anything. */
  readonly askedAtMs: number
}

const keptMs = 60_000
/** Weight of a new sight of a full replica. */
const learning = 0.2
/**
 * Answers over which their length is averaged: those of some minutes, because after a jump short ones end first. With a
 * spread of 1 the mean of 5,000 is within 1.4 %.
 */
const answersKept = 5000
/** Of adapters in flight; they come and go with every request. */
const activeHalfLifeMs = 30_000
const levelEveryMs = 10_000
/** Twice the ten minutes of which the growth is known, for a cold start of as long. */
const levelsKeptMs = 1_200_000

export function emptyMemory(nowMs: number): AutoscaleMemory {
  return {
    samples: [],
    wants: [],
    levels: [],
    capacity: undefined,
    answerTokens: undefined,
    answers: 0,
    activeAdapters: undefined,
    jump: { fromMs: nowMs, isMore: false },
    coldStart: noColdStart,
    fit: noFit,
    sinceMs: nowMs,
    askedAtMs: nowMs,
  }
}

export function rememberSample(
  memory: AutoscaleMemory,
  sample: Sample,
  isAsked: boolean,
  current: number,
): AutoscaleMemory {
  const before = memory.samples.at(-1)
  // A gateway went, or started again: its counters are no longer in the sum. Or tokens are counted only now, or no more.
  const isBroken =
    before !== undefined &&
    (sample.arrivals < before.arrivals ||
      (sample.inputTokens === undefined) !== (before.inputTokens === undefined) ||
      (sample.inputTokens ?? 0) < (before.inputTokens ?? 0) ||
      (sample.outputTokens ?? 0) < (before.outputTokens ?? 0))
  const samples = [
    ...(isBroken ? [] : memory.samples.filter(({ atMs }) => atMs > sample.atMs - keptMs)),
    sample,
  ]
  return {
    ...memory,
    samples,
    capacity: learn(memory, sample),
    ...(isBroken
      ? // Rates are of little from here on, as after a rise.
        { jump: { fromMs: sample.atMs, isMore: true } }
      : learnAnswers(memory, sample)),
    activeAdapters: learnActive(memory, sample),
    coldStart: noteReplicas(memory.coldStart, { nowMs: sample.atMs, current, ready: sample.ready }),
    fit: noteServed(memory.fit, samples),
    askedAtMs: isAsked ? sample.atMs : memory.askedAtMs,
  }
}

export function rememberNeed(
  memory: AutoscaleMemory,
  nowMs: number,
  { need, jump }: { readonly need: number; readonly jump: LoadJump },
): AutoscaleMemory {
  const last = memory.levels.at(-1)
  if (last !== undefined && nowMs - last.atMs < levelEveryMs) {
    return { ...memory, jump }
  }
  const kept = memory.levels.filter(({ atMs }) => atMs > nowMs - levelsKeptMs)
  return { ...memory, jump, levels: [...kept, { atMs: nowMs, need }] }
}

/**
 * A replica is full while requests wait for a place in it; for a moment, or with some replicas just up, that says nothing, and
 * nothing at all while they wait for an adapter.
 */
function learn({ samples, capacity }: AutoscaleMemory, sample: Sample): number | undefined {
  const recent = samples.slice(-2)
  const isFull =
    placelessOf(sample) > 0 &&
    sample.ready > 0 &&
    sample.running > 0 &&
    recent.length === 2 &&
    recent.every((one) => placelessOf(one) > 0 && one.ready === sample.ready)
  if (!isFull) {
    return capacity
  }
  const seen = sample.running / sample.ready
  return capacity === undefined ? seen : capacity + learning * (seen - capacity)
}

function learnAnswers(
  { samples, answerTokens = 0, answers }: AutoscaleMemory,
  sample: Sample,
): Partial<AutoscaleMemory> {
  const before = samples.at(-1)
  const done = before === undefined ? 0 : answersOf(sample) - answersOf(before)
  if (before?.outputTokens === undefined || sample.outputTokens === undefined || done <= 0) {
    return {}
  }
  const seen = (sample.outputTokens - before.outputTokens) / done
  const counted = Math.min(answers + done, answersKept)
  const weight = Math.min(1, done / counted)
  return { answerTokens: answerTokens + weight * (seen - answerTokens), answers: counted }
}

function answersOf(sample: Sample): number {
  return sample.answers ?? doneOf(sample)
}

/** While requests wait every replica runs whatever there is, and that says nothing of how it will be with more. */
function learnActive(
  { samples, activeAdapters }: AutoscaleMemory,
  sample: Sample,
): number | undefined {
  const { atMs, ready, activeAdapters: seen } = sample
  if (seen === undefined || placelessOf(sample) > ready) {
    return activeAdapters
  }
  const passedMs = atMs - (samples.at(-1)?.atMs ?? atMs)
  const weight = 1 - 2 ** (-passedMs / activeHalfLifeMs)
  return activeAdapters === undefined ? seen : activeAdapters + weight * (seen - activeAdapters)
}
