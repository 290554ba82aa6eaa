import { ForgetfulMean } from './forgetful-mean.ts'
import { ForgetfulMedian } from './forgetful-median.ts'
import { ForgetfulSpread } from './forgetful-spread.ts'
import { ForgetfulSquares } from './forgetful-squares.ts'
import type { EngineCosts } from './route-cost.ts'

/**
 * What has to be seen before anything is said. Fewer samples, or figures that hardly change or only together, fit any costs:
 * an engine that always runs the same says nothing of what one more request would take.
 */
const enough = {
  /** Each the mean of some tokens. */
  steps: 128,
  /** Standard deviations. */
  running: 2,
  adapters: 1,
  correlation: 0.98,
  firstTokens: 64,
  promptTokens: 64,
} as const

/**
 * What took so many times as long as usual, or so many times less, was no step: a load or a pause, and what had been held up
 * by one and then came all at once. Engines in service differ by less between idle and full: 13 to 60 ms in the public runs
 * that EngineCosts names.
 */
const unusual = 4

/** It is solved anew after so many samples. */
const solveEvery = 32

/** What was seen so far. */
export interface CostEvidence {
  readonly steps: number
  readonly firstTokens: number
  readonly loads: number
}

/**
 * Learns what work costs on a pool's engines from what streams show: the time between two tokens, against requests and
 * adapters there, and the time to the first one, against the prompt tokens before it. Nothing is assumed before there is
 * enough of both; what was learned holds until the engines show something else.
 */
export class EngineCostFit {
  readonly #steps = new ForgetfulSquares(3)
  readonly #usualStep = new ForgetfulMedian()
  readonly #stepSpread = new ForgetfulSpread()
  readonly #firsts = new ForgetfulSquares(2)
  readonly #firstSpread = new ForgetfulSpread()
  readonly #load = new ForgetfulMean()
  #stepCount = 0
  #firstCount = 0
  #loadCount = 0
  #step: Pick<EngineCosts, 'stepMs' | 'perRequestMs' | 'perAdapterMs'> | undefined
  #perPromptTokenMs: number | undefined
  #costs: EngineCosts | undefined

  /** Undefined while there is too little to tell. */
  get costs(): EngineCosts | undefined {
    return this.#costs
  }

  get evidence(): CostEvidence {
    return { steps: this.#stepCount, firstTokens: this.#firstCount, loads: this.#loadCount }
  }

  /** A stream took so long for a token, the mean of several, beside so many requests of so many adapters. */
  noteStep(ms: number, running: number, adapters: number): void {
    this.#usualStep.note(ms)
    const usual = this.#usualStep.value ?? ms
    if (ms > unusual * usual || ms * unusual < usual) {
      return
    }
    this.#steps.note([1, running, adapters], ms)
    this.#stepSpread.note(running, adapters)
    this.#stepCount += 1
    if (this.#stepCount % solveEvery === 0) {
      this.#solveSteps()
    }
  }

  /** A first token took so long, with so many prompt tokens to be read up to it, its own among them. */
  noteFirstToken(ms: number, promptTokens: number): void {
    // Long waits vary more than short ones.
    this.#firsts.note([1, promptTokens], ms, 1 / Math.max(1, ms))
    this.#firstSpread.note(promptTokens, 0)
    this.#firstCount += 1
    if (this.#firstCount % solveEvery === 0) {
      this.#solveFirsts()
    }
  }

  noteLoad(ms: number): void {
    this.#loadCount += 1
    this.#load.note(ms)
    this.#combine()
  }

  #solveSteps(): void {
    const { left, right, correlation } = this.#stepSpread
    const isEnough =
      this.#stepCount >= enough.steps &&
      left >= enough.running &&
      right >= enough.adapters &&
      correlation <= enough.correlation
    const [stepMs, perRequestMs, perAdapterMs] = (isEnough ? this.#steps.solve() : undefined) ?? []
    if (stepMs !== undefined && perRequestMs !== undefined && perAdapterMs !== undefined) {
      this.#step = { stepMs, perRequestMs, perAdapterMs }
      this.#combine()
    }
  }

  #solveFirsts(): void {
    const isEnough =
      this.#firstCount >= enough.firstTokens && this.#firstSpread.left >= enough.promptTokens
    const [, perPromptTokenMs] = (isEnough ? this.#firsts.solve() : undefined) ?? []
    if (perPromptTokenMs !== undefined) {
      this.#perPromptTokenMs = perPromptTokenMs
      this.#combine()
    }
  }

  /** A load that nobody has seen is not counted: it weighs the same wherever it would take place. */
  #combine(): void {
    const perPromptTokenMs = this.#perPromptTokenMs
    if (this.#step !== undefined && perPromptTokenMs !== undefined) {
      this.#costs = { ...this.#step, perPromptTokenMs, loadMs: this.#load.value ?? 0 }
    }
  }
}
