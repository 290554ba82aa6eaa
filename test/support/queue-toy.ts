import type { TenantOrder } from '../../src/sim/lab/queues/tenant-order.ts'
import { TenantQueue } from '../../src/sim/lab/queues/tenant-queue.ts'
import { LabRequest } from '../../src/sim/lab/lab-request.ts'
import type { ModelAdapter } from '../../src/sim/model-types.ts'

export interface ToyRequest {
  readonly tenant?: string
  readonly atMs?: number
  readonly input?: number
  readonly output?: number
  readonly adapter?: ModelAdapter
  readonly blocks?: readonly number[]
}

export function aLabRequest(request: ToyRequest = {}): LabRequest {
  const { tenant = 'a', atMs = 0, input = 10, output = 5, adapter, blocks = [] } = request
  const entry = {
    atMs,
    tenant,
    adapter: adapter?.name ?? '',
    inputTokens: input,
    outputTokens: output,
    blocks,
  }
  return new LabRequest(entry, adapter, output, blocks)
}

/** An engine of so many places before which a queue stands: a token a step for each that runs. */
export class QueueToy {
  readonly queue: TenantQueue
  /** In the order in which they were sent. */
  readonly sent: LabRequest[] = []
  /** By tenant: prompts, and tokens of answers twice. */
  readonly served = new Map<string, number>()
  readonly running = new Map<LabRequest, number>()
  readonly #places: number
  #nowMs = 0

  constructor(order: TenantOrder, places: number) {
    this.queue = new TenantQueue(order)
    this.#places = places
  }

  get nowMs(): number {
    return this.#nowMs
  }

  ask(request: LabRequest): void {
    this.queue.arrive(request, (one) => this.#take(one), this.#nowMs)
  }

  /** A millisecond: one token for everybody, and whoever can go goes. */
  step(): void {
    this.#nowMs += 1
    for (const [request, generated] of this.running) {
      this.running.set(request, generated + 1)
      this.#serve(request, 2)
      this.queue.token(request, this.#nowMs)
      if (generated + 1 === request.outputTokens) {
        this.running.delete(request)
        this.queue.ended(request)
      }
    }
    this.queue.offer((one) => this.#take(one), this.#nowMs)
  }

  #take(request: LabRequest): boolean {
    if (this.running.size >= this.#places) {
      return false
    }
    this.running.set(request, 0)
    this.sent.push(request)
    this.#serve(request, request.promptTokens)
    return true
  }

  #serve({ entry }: LabRequest, cost: number): void {
    this.served.set(entry.tenant, (this.served.get(entry.tenant) ?? 0) + cost)
  }
}
