import process from 'node:process'
import type { RoutingTable } from '../../src/core/resolve.ts'
import { PoolAdmission } from '../../src/gateway/admission/admission.ts'
import { authenticate } from '../../src/gateway/authenticate.ts'
import { resolveTarget } from '../../src/gateway/models.ts'
import { defaultAdmissionLimits } from '../../src/gateway/admission/queue-bounds.ts'
import type { ReplicaView } from '../../src/gateway/replica-view.ts'
import type { Ticket } from '../../src/gateway/admission/ticket.ts'
import { createManyAdapters, type Call, type ManyAdapters } from '../many-adapters.ts'
import { Measure, type Report } from '../report.ts'

/** As many adapters as a pool is made for. */
const pool = { tenants: 100, adaptersEach: 10, replicas: 100 }
/** As many as a control plane is made for, in one pool. */
const large = { ...pool, tenants: 1000 }
/** Requests under way: each pick is followed by the end of one that began so many before. */
const underWay = 1024

/** What the gateway itself works out for a request: whose key it is, what the name stands for, where it goes. In this process. */
export async function pickSuite(quick: boolean, rounds: number): Promise<Report> {
  const picks = quick ? 20_000 : 200_000
  const variants = [
    [{ ...pool, copies: 2 }, aMeasure('1,000 adapters, 2 copies each', 20)],
    [{ ...pool, copies: 20 }, aMeasure('1,000 adapters, 20 copies each', 20)],
    [{ ...large, copies: 2 }, aMeasure('10,000 adapters, 2 copies each', 30)],
    // Two thousand adapters a replica: more than an engine holds.
    [{ ...large, copies: 20 }, aMeasure('10,000 adapters, 20 copies each')],
  ] as const
  for (const [sizes, measure] of variants) {
    const many = await createManyAdapters(sizes)
    const picker = new Picker(many)
    picker.run(picks / 10) // compiles
    for (let round = 0; round < rounds; round += 1) {
      const before = process.threadCpuUsage()
      picker.run(picks)
      const { user, system } = process.threadCpuUsage(before)
      measure.add('gateway', (user + system) / picks)
    }
    await many.close()
  }
  return {
    suite: 'pick',
    title: `adapters of ${pool.tenants} and ${large.tenants} tenants on ${pool.replicas} replicas, ${picks} picks at random × ${rounds} rounds`,
    measures: variants.map(([, measure]) => measure),
    notes: [
      'CPU time of this process: key (hashed each time), name, and a place among all replicas, and its end.',
    ],
  }
}

function aMeasure(name: string, atMost?: number): Measure {
  const bar = atMost === undefined ? undefined : ({ kind: 'AtMost', value: atMost } as const)
  return new Measure(name, 'µs a pick', 1, bar)
}

class Picker {
  readonly #table: RoutingTable
  readonly #calls: readonly Call[]
  readonly #admission: PoolAdmission
  readonly #running: { readonly view: ReplicaView; readonly ticket: Ticket }[] = []
  #at = 0
  #seed = 1

  constructor({ table, calls, views }: ManyAdapters) {
    this.#table = table
    this.#calls = calls
    this.#admission = new PoolAdmission(
      () => views,
      defaultAdmissionLimits,
      () => performance.now(),
    )
  }

  run(picks: number): void {
    for (let pick = 0; pick < picks; pick += 1) {
      this.#pick()
    }
  }

  #pick(): void {
    // The same calls in each run (a linear congruential generator), in no order that caches would like.
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0
    const call = this.#calls[this.#seed % this.#calls.length]
    if (call === undefined) {
      return
    }
    const { authorization } = call
    const caller = authenticate(this.#table, { authorization }, Date.now())
    const { revision } = resolveTarget(caller, call.model)
    const ticket: Ticket = {
      revision,
      tenant: caller.tenant,
      weight: 1,
      sizeBytes: 1024,
      isStreamed: true,
      cameAt: 0,
      deadline: Number.POSITIVE_INFINITY,
      coldStart: undefined,
      tried: noProcess,
      lost: undefined,
      isOnTrial: false,
      place: (view) => this.#placed(view, ticket),
      refuse: (error) => {
        throw error
      },
    }
    this.#admission.submit(ticket)
  }

  #placed(view: ReplicaView, ticket: Ticket): void {
    const ended = this.#running[this.#at]
    if (ended !== undefined) {
      this.#admission.release(ended.ticket, ended.view, undefined)
    }
    this.#running[this.#at] = { view, ticket }
    this.#at = (this.#at + 1) % underWay
  }
}

const noProcess: ReadonlySet<string> = new Set()
