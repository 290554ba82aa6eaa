// Gateways that choose among the same replicas and hear of each other late, in simulated time: their real waiting rooms and
// views, and agents that tell all gateways every so often what each of them has there.
import type { AgentLink, GatewayLoad, StateMessage } from '../../src/api/agent-protocol.ts'
import { PoolAdmission } from '../../src/gateway/admission/admission.ts'
import { defaultAdmissionLimits } from '../../src/gateway/admission/queue-bounds.ts'
import type { Ticket } from '../../src/gateway/admission/ticket.ts'
import { ReplicaView } from '../../src/gateway/replica-view.ts'
import { randomFrom } from './random-from.ts'

export interface HerdOptions {
  readonly gateways: number
  readonly replicas: number
  /** Requests of all gateways together. */
  readonly perSecond: number
  readonly answerMs: number
  /** Agents tell so often. */
  readonly staleMs: number
  /** From this time on the last replica takes requests, too. */
  readonly lastFromMs: number
  readonly seed: number
}

const never = (): Promise<never> => new Promise(() => undefined)

class Replica {
  readonly name: string
  readonly byGateway = new Map<string, number>()
  readonly #tell: ((message: StateMessage) => void)[] = []
  isReady = true

  constructor(name: string) {
    this.name = name
  }

  get inFlight(): number {
    return [...this.byGateway.values()].reduce((sum, count) => sum + count, 0)
  }

  get link(): AgentLink {
    return {
      replica: this.name,
      setDesired: never,
      ensure: never,
      drain: never,
      lease: never,
      watchState: (tell) => {
        this.#tell.push(tell)
        tell({
          type: 'hello',
          replica: this.name,
          engineProcess: `process of ${this.name}`,
          engineVersion: '',
          simulated: true,
          tellsLoads: true,
        })
        return () => undefined
      },
    }
  }

  tell(): void {
    const gateways: Record<string, GatewayLoad> = {}
    for (const [name, inFlight] of this.byGateway) {
      gateways[name] = { inFlight, queuedPromptTokens: 0, remainingTokens: 0 }
    }
    for (const tell of this.#tell) {
      tell({
        type: 'load',
        ready: this.isReady,
        detail: '',
        draining: false,
        running: 0,
        waiting: 0,
        kvCacheUsage: 0,
        slots: { total: 4, used: 0 },
        gateways,
        adapters: 0,
      })
    }
  }
}

export interface HerdFigures {
  /** Requests of the fullest replica by the mean of all, at the worst moment. */
  readonly worst: number
  /** Requests of the fullest replica. */
  readonly most: number
}

interface SimulatedGateway {
  readonly name: string
  readonly room: PoolAdmission
  readonly views: readonly ReplicaView[]
}

class Herd {
  readonly #options: HerdOptions
  readonly #random: () => number
  readonly #replicas: readonly Replica[]
  readonly #gateways: readonly SimulatedGateway[]
  readonly #ends = new Map<number, (() => void)[]>()
  #nowMs = 0
  #arrivalMs = 0
  worst = 0
  most = 0

  constructor(options: HerdOptions) {
    this.#options = options
    this.#random = randomFrom(options.seed)
    this.#replicas = Array.from({ length: options.replicas }, (_, at) => new Replica(`r${at}`))
    this.#gateways = Array.from({ length: options.gateways }, (_, at) => {
      const name = `gateway-${at}`
      const now = (): number => this.#nowMs
      const views = this.#replicas.map((replica) => viewOf(replica, name, now))
      return { name, views, room: new PoolAdmission(() => views, defaultAdmissionLimits, now) }
    })
  }

  run(seconds: number): void {
    for (; this.#nowMs < seconds * 1000; this.#nowMs += 1) {
      this.#tell()
      for (const end of this.#ends.get(this.#nowMs) ?? []) {
        end()
      }
      this.#ends.delete(this.#nowMs)
      while (this.#arrivalMs <= this.#nowMs) {
        this.#arrive()
        this.#arrivalMs += (-Math.log(1 - this.#random()) * 1000) / this.#options.perSecond
      }
      this.#look()
    }
  }

  async close(): Promise<void> {
    const views = this.#gateways.flatMap((gateway) => gateway.views)
    await Promise.all(views.map((view) => view.close()))
  }

  #tell(): void {
    const { staleMs, lastFromMs } = this.#options
    for (const [at, replica] of this.#replicas.entries()) {
      replica.isReady = at < this.#replicas.length - 1 || this.#nowMs >= lastFromMs
      if (this.#nowMs === 0 || (this.#nowMs + at * 3) % staleMs === 0) {
        replica.tell()
      }
    }
  }

  #arrive(): void {
    const gateway = this.#gateways[Math.floor(this.#random() * this.#gateways.length)]
    const endMs = this.#nowMs + 1 + Math.ceil(this.#options.answerMs * (0.5 + this.#random()))
    gateway?.room.submit(
      ticketOf(gateway.name, (ticket, view) => {
        const due = this.#ends.get(endMs) ?? []
        due.push(() => gateway.room.release(ticket, view, { input: 100, output: 100 }))
        this.#ends.set(endMs, due)
      }),
    )
  }

  #look(): void {
    for (const [at, replica] of this.#replicas.entries()) {
      for (const { name, views } of this.#gateways) {
        replica.byGateway.set(name, views[at]?.inFlight ?? 0)
      }
    }
    if (this.#nowMs > 2 * this.#options.answerMs) {
      const ready = this.#replicas.filter(({ isReady }) => isReady)
      const counts = ready.map(({ inFlight }) => inFlight)
      const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
      this.most = Math.max(this.most, ...counts)
      this.worst = Math.max(this.worst, Math.max(...counts) / Math.max(1, mean))
    }
  }
}

/** What the fullest replica had, in so many seconds. */
export async function simulateHerd(options: HerdOptions, seconds: number): Promise<HerdFigures> {
  const herd = new Herd(options)
  try {
    herd.run(seconds)
    return { worst: herd.worst, most: herd.most }
  } finally {
    await herd.close()
  }
}

function viewOf(replica: Replica, gateway: string, now: () => number): ReplicaView {
  return new ReplicaView(
    {
      name: replica.name,
      poolKey: 'models/llama',
      servedModelName: 'base',
      address: () => ({ url: 'http://127.0.0.1:9', apiKey: undefined }),
      link: replica.link,
    },
    { gateway, maxInFlight: 100_000, now, onChange: () => undefined },
  )
}

function ticketOf(tenant: string, placed: (ticket: Ticket, view: ReplicaView) => void): Ticket {
  const ticket: Ticket = {
    revision: undefined,
    tenant,
    weight: 1,
    sizeBytes: 400,
    isStreamed: true,
    cameAt: 0,
    deadline: Number.POSITIVE_INFINITY,
    coldStart: undefined,
    tried: new Set(),
    lost: undefined,
    isOnTrial: false,
    place: (view) => placed(ticket, view),
    refuse: (error) => {
      throw error
    },
  }
  return ticket
}
