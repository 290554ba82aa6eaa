// A pool in simulated time: gateways' real waiting rooms, views and places, agents' real desks; engines that only count.
import { mock } from 'node:test'
import { PlaceDesk } from '../../src/agent/place-desk.ts'
import type { AgentLink, LeaseAnswer, LeaseRequest } from '../../src/api/agent-protocol.ts'
import { PoolAdmission } from '../../src/gateway/admission/admission.ts'
import { defaultAdmissionLimits } from '../../src/gateway/admission/queue-bounds.ts'
import { ReplicaView } from '../../src/gateway/replica-view.ts'
import type { Ticket } from '../../src/gateway/admission/ticket.ts'
import { randomFrom } from './random-from.ts'

export interface SimulatedTenant {
  readonly name: string
  readonly weight: number
  /** Of each answer, drawn evenly. */
  readonly tokens: readonly [from: number, to: number]
  /** Requests that come by themselves, a second; or so many callers, each with one after the other. */
  readonly perSecond?: number
  readonly callers?: number
}

export interface PoolSimulationOptions {
  readonly gateways: number
  readonly engines: number
  readonly maxNumSeqs: number
  readonly stepMs: number
  /** As before there were shares. */
  readonly isFifo: boolean
  readonly seed: number
  readonly tenants: readonly SimulatedTenant[]
}

export interface TenantFigures {
  readonly name: string
  readonly weight: number
  /** Tokens, one of output as two of input. */
  readonly served: number
  readonly firstTokenMs: readonly number[]
  readonly refused: number
}

const promptTokens = 20
/** One way between any two processes. */
const wireMs = 1

interface Run {
  readonly ticket: Ticket
  readonly view: ReplicaView
  readonly wanted: number
  readonly onToken: (generated: number) => void
  readonly onEnd: () => void
  generated: number
}

class Engine {
  readonly #running: Run[] = []
  readonly waiting: Run[] = []
  readonly #maxNumSeqs: number

  constructor(maxNumSeqs: number) {
    this.#maxNumSeqs = maxNumSeqs
  }

  get runs(): readonly Run[] {
    return this.#running
  }

  step(): void {
    this.#running.push(...this.waiting.splice(0, this.#maxNumSeqs - this.#running.length))
    for (const run of this.#running.slice()) {
      run.generated += 1
      run.onToken(run.generated)
      if (run.generated === run.wanted) {
        this.#running.splice(this.#running.indexOf(run), 1)
        run.onEnd()
      }
    }
  }
}

class Record {
  served = 0
  refused = 0
  firstTokenMs: number[] = []
}

class PoolSimulation {
  readonly #options: PoolSimulationOptions
  readonly #events = new Map<number, (() => void)[]>()
  readonly #engines: readonly Engine[]
  readonly #desks: readonly PlaceDesk[]
  readonly #views: ReplicaView[][] = []
  readonly #rooms: PoolAdmission[] = []
  readonly records = new Map<string, Record>()
  #nowMs = 0

  constructor(options: PoolSimulationOptions) {
    this.#options = options
    const engines = Array.from({ length: options.engines }, () => new Engine(options.maxNumSeqs))
    const clock = { now: () => this.#nowMs, after: () => ({ cancel: () => undefined }) }
    this.#engines = engines
    this.#desks = engines.map(() => new PlaceDesk(clock, { ttlMs: 5000, lingerMs: 10_000 }))
    for (let gateway = 0; gateway < options.gateways; gateway += 1) {
      this.#rooms.push(
        new PoolAdmission(
          () => this.#views[gateway] ?? [],
          defaultAdmissionLimits,
          () => this.#nowMs,
        ),
      )
      this.#views.push(engines.map((_, engine) => this.#viewOf(gateway, engine)))
    }
    for (const [at, tenant] of options.tenants.entries()) {
      this.records.set(tenant.name, new Record())
      this.#load(tenant, randomFrom(options.seed * 7919 + at))
    }
  }

  async run(seconds: number): Promise<void> {
    for (const endMs = this.#nowMs + seconds * 1000; this.#nowMs < endMs; this.#nowMs += 1) {
      const due = this.#events.get(this.#nowMs) ?? []
      this.#events.delete(this.#nowMs)
      for (const happen of due) {
        happen()
      }
      this.#tick()
      mock.timers.tick(1)
      // Answers of agents are promises.
      for (let turn = 0; turn < (due.length > 0 ? 6 : 1); turn += 1) {
        await Promise.resolve()
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#views.flat().map((view) => view.close()))
  }

  #tick(): void {
    const { stepMs } = this.#options
    for (const [at, engine] of this.#engines.entries()) {
      if ((this.#nowMs + Math.floor((at * stepMs) / this.#engines.length)) % stepMs === 0) {
        engine.step()
      }
      if (this.#nowMs % 500 === at * 7) {
        this.#desks[at]?.note({ running: engine.runs.length, waiting: engine.waiting.length })
      }
    }
    for (const [at, room] of this.#rooms.entries()) {
      if (this.#nowMs % 500 === 100 + at * 31) {
        for (const run of this.#engines.flatMap(({ runs }) => runs)) {
          room.progress(run.ticket, run.view, run.generated)
        }
        room.sweep()
      }
      if (this.#nowMs % 100 === at * 17) {
        for (const view of this.#views[at] ?? []) {
          view.renewLease()
        }
      }
    }
  }

  #after(ms: number, happen: () => void): void {
    const atMs = Math.max(this.#nowMs + 1, Math.round(this.#nowMs + ms))
    const due = this.#events.get(atMs) ?? []
    due.push(happen)
    this.#events.set(atMs, due)
  }

  #viewOf(gateway: number, engine: number): ReplicaView {
    const room = this.#rooms[gateway]
    return new ReplicaView(
      {
        name: `replica-${engine}`,
        poolKey: 'models/llama',
        servedModelName: 'base',
        address: () => ({ url: 'http://127.0.0.1:9', apiKey: undefined }),
        link: this.#linkTo(engine),
      },
      {
        gateway: `gateway-${gateway}`,
        maxInFlight: 100_000,
        now: () => this.#nowMs,
        onChange: () => room?.pump(),
        ...(room === undefined ? {} : { order: room }),
      },
    )
  }

  #linkTo(engine: number): AgentLink {
    const never = (): Promise<never> => new Promise(() => undefined)
    return {
      replica: `replica-${engine}`,
      setDesired: never,
      ensure: never,
      drain: never,
      lease: (request) => this.#lease(engine, request),
      watchState: (tell) => {
        tell({
          type: 'hello',
          replica: `replica-${engine}`,
          engineProcess: `process-${engine}`,
          engineVersion: '',
          simulated: true,
          shares: !this.#options.isFifo,
        })
        tell({
          type: 'load',
          ready: true,
          detail: '',
          draining: false,
          running: 0,
          waiting: 0,
          kvCacheUsage: 0,
          slots: { total: 4, used: 0 },
        })
        return () => undefined
      },
    }
  }

  #lease(engine: number, request: LeaseRequest): Promise<LeaseAnswer> {
    return new Promise((resolve) => {
      this.#after(wireMs, () => {
        const share = this.#desks[engine]?.call(request)
        const answer = { granted: [], reclaimed: [], ttlMs: 5000 }
        this.#after(wireMs, () => resolve(share === undefined ? answer : { ...answer, share }))
      })
    })
  }

  #load(tenant: SimulatedTenant, random: () => number): void {
    const { perSecond, callers = 0 } = tenant
    if (perSecond !== undefined) {
      let atMs = 0
      const arrive = (): void => {
        this.#call(tenant, random, () => undefined)
        atMs += (-Math.log(1 - random()) * 1000) / perSecond
        this.#after(atMs - this.#nowMs, arrive)
      }
      this.#after(0, arrive)
    }
    for (let caller = 0; caller < callers; caller += 1) {
      const again = (isServed: boolean): void =>
        this.#after(isServed ? 2 * wireMs : 100, () => this.#call(tenant, random, again))
      again(true)
    }
  }

  #call(tenant: SimulatedTenant, random: () => number, onEnd: (isServed: boolean) => void): void {
    const [from, to] = tenant.tokens
    const wanted = from + Math.floor(random() * (to - from + 1))
    const room = this.#rooms[Math.floor(random() * this.#rooms.length)]
    const record = this.records.get(tenant.name)
    if (room === undefined || record === undefined) {
      return
    }
    const sentAtMs = this.#nowMs
    const ticket: Ticket = {
      revision: undefined,
      tenant: tenant.name,
      weight: tenant.weight,
      sizeBytes: 120,
      isStreamed: true,
      cameAt: this.#nowMs,
      deadline: this.#nowMs + 30_000,
      coldStart: undefined,
      tried: new Set(),
      lost: undefined,
      isOnTrial: false,
      refuse: () => {
        record.refused += 1
        onEnd(false)
      },
      place: (view) => {
        const engine = this.#engines[Number(view.replica.name.slice('replica-'.length))]
        const run: Run = {
          ticket,
          view,
          wanted,
          generated: 0,
          onToken: (generated) => {
            record.served += generated === 1 ? promptTokens + 2 : 2
            if (generated === 1) {
              record.firstTokenMs.push(this.#nowMs - sentAtMs)
            }
          },
          onEnd: () =>
            this.#after(wireMs, () => {
              room.release(ticket, view, { input: promptTokens, output: wanted })
              onEnd(true)
            }),
        }
        this.#after(wireMs, () => engine?.waiting.push(run))
      },
    }
    room.submit(ticket)
  }
}

/** What each tenant got in so many seconds, after the first `warmUpSeconds`. */
export async function simulatePool(
  options: PoolSimulationOptions,
  seconds: number,
  warmUpSeconds = 10,
): Promise<readonly TenantFigures[]> {
  mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
  const simulation = new PoolSimulation(options)
  try {
    await simulation.run(warmUpSeconds)
    for (const record of simulation.records.values()) {
      Object.assign(record, new Record())
    }
    await simulation.run(seconds)
    return options.tenants.map(({ name, weight }) => {
      const { served, refused, firstTokenMs } = simulation.records.get(name) ?? new Record()
      return { name, weight, served, refused, firstTokenMs }
    })
  } finally {
    mock.timers.reset()
    await simulation.close()
  }
}
