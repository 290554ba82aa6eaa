import type { StepWork } from '../../src/sim/step-cost.ts'

/** Work of steps, added up; what a step's milliseconds are linear in. */
export class MeanWork {
  steps = 0
  requests = 0
  adapters = 0
  adapterRequests = 0
  /** Beyond those that a step carries for nothing. */
  prefillTokens = 0
  skipped = 0
  copies = 0

  add(work: StepWork, freePrefillTokens: number): void {
    const { requests, adapters, prefillTokens, skipped, copies } = work
    this.steps += 1
    this.requests += requests
    this.adapters += adapters
    this.adapterRequests += adapters * requests
    this.prefillTokens += Math.max(0, prefillTokens - freePrefillTokens)
    this.skipped += skipped
    this.copies += copies
  }

  /** Adds (later − before) × factor. */
  addDifference(later: MeanWork, before: MeanWork, factor: number): void {
    this.steps += (later.steps - before.steps) * factor
    this.requests += (later.requests - before.requests) * factor
    this.adapters += (later.adapters - before.adapters) * factor
    this.adapterRequests += (later.adapterRequests - before.adapterRequests) * factor
    this.prefillTokens += (later.prefillTokens - before.prefillTokens) * factor
    this.skipped += (later.skipped - before.skipped) * factor
    this.copies += (later.copies - before.copies) * factor
  }

  scaled(factor: number): MeanWork {
    const scaled = new MeanWork()
    scaled.addDifference(this, new MeanWork(), factor)
    return scaled
  }

  copy(): MeanWork {
    return this.scaled(1)
  }
}
