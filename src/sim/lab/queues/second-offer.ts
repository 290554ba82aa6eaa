import type { LabRequest } from '../lab-request.ts'
import type { RequestQueue, Take } from '../request-queue.ts'

/**
 * What nobody took at the first round is offered once more, when all who belong there have had their chance: then places
 * may go to those who do not, and no engine idles while somebody waits.
 */
export class SecondOffer implements RequestQueue {
  readonly #queue: RequestQueue
  #isSecond = false

  constructor(queue: RequestQueue) {
    this.#queue = queue
  }

  get name(): string {
    return this.#queue.name
  }

  get source(): string {
    return this.#queue.source
  }

  get length(): number {
    return this.#queue.length
  }

  get refused(): ReadonlySet<LabRequest> | undefined {
    return this.#queue.refused
  }

  /** The second round is on. */
  get isSecond(): boolean {
    return this.#isSecond
  }

  arrive(request: LabRequest, take: Take, nowMs: number): void {
    this.#queue.arrive(request, take, nowMs)
    this.#offerAgain(take, nowMs)
  }

  offer(take: Take, nowMs: number): void {
    this.#queue.offer(take, nowMs)
    this.#offerAgain(take, nowMs)
  }

  token(request: LabRequest, nowMs: number): void {
    this.#queue.token?.(request, nowMs)
  }

  ended(request: LabRequest, nowMs: number): void {
    this.#queue.ended?.(request, nowMs)
  }

  #offerAgain(take: Take, nowMs: number): void {
    if (this.#queue.length > 0) {
      this.#isSecond = true
      this.#queue.offer(take, nowMs)
      this.#isSecond = false
    }
  }
}
