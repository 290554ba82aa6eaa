import type { GatewayLoad, LeaseRequest, ShareAnswer, ShareReport } from '../api/agent-protocol.ts'
import { dividePlaces } from '../core/divide-places.ts'
import { EngineWindow, type EngineLoad } from '../core/engine-window.ts'
import type { Clock } from './clock.ts'

export interface PlaceDeskTimes {
  /** Who waits at a gateway that was silent for so long does not count. */
  readonly ttlMs: number
  /** …and what it had in flight counts as ended so long after that. */
  readonly lingerMs: number
}

interface GatewayAccount {
  calledAtMs: number
  now: number
  inFlight: number
  queuedPromptTokens: number
  remainingTokens: number
  /** Revisions in flight. */
  active: ReadonlySet<string>
  waits: ShareReport['waits']
  /** What the others served since its last call, by tenant. */
  owed: Map<string, number>
}

/** What all gateways have at an engine, as it is told to each of them. */
interface ToldLoads {
  readonly gateways: Readonly<Record<string, GatewayLoad>>
  /** Revisions in flight. */
  readonly active: ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

/** Loads change with every call; gateways are told of them at most so often. */
const tellEveryMs = 100

/** Between the gateways of one engine: how many requests each may have there, and what each of them served. */
export class PlaceDesk {
  readonly #clock: Clock
  readonly #times: PlaceDeskTimes
  readonly #window = new EngineWindow()
  readonly #gateways = new Map<string, GatewayAccount>()
  #told: ToldLoads = { gateways: {}, active: none }
  #toldAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, times: PlaceDeskTimes) {
    this.#clock = clock
    this.#times = times
  }

  /** Undefined for a gateway from before there were shares: what it has in flight counts all the same. */
  call(request: LeaseRequest): ShareAnswer | undefined {
    const { gateway, share } = request
    this.#expire()
    const account = this.#accountOf(gateway)
    account.calledAtMs = this.#clock.now()
    account.inFlight = share?.inFlight ?? sum(Object.values(request.inFlight))
    account.queuedPromptTokens = share?.queuedPromptTokens ?? 0
    account.remainingTokens = share?.remainingTokens ?? 0
    account.active = activeOf(request)
    account.waits = share?.waits ?? []
    if (share === undefined) {
      account.owed.clear()
      return undefined
    }
    account.now = share.now
    this.#pass(gateway, share.served)
    const { owed } = account
    account.owed = new Map()
    return {
      places: this.#placesOf(gateway),
      shared: this.#gateways.size > 1,
      served: Object.fromEntries(owed),
      turns: this.#turnsOfOthers(gateway),
      now: this.#nowOfOthers(gateway),
    }
  }

  /** At most `tellEveryMs` old. */
  get loads(): ToldLoads {
    const nowMs = this.#clock.now()
    if (nowMs - this.#toldAtMs >= tellEveryMs) {
      this.#expire()
      this.#toldAtMs = nowMs
      this.#told = this.#loads()
    }
    return this.#told
  }

  /** The engine was looked at. */
  note(load: EngineLoad): void {
    this.#window.note(load, sum([...this.#gateways.values()].map(({ inFlight }) => inFlight)))
  }

  /** Another engine process. */
  reset(): void {
    this.#window.reset()
  }

  #loads(): ToldLoads {
    const gateways: Record<string, GatewayLoad> = {}
    const revisions = new Set<string>()
    for (const [name, account] of this.#gateways) {
      const { inFlight, queuedPromptTokens, remainingTokens, active } = account
      gateways[name] = { inFlight, queuedPromptTokens, remainingTokens }
      for (const revision of active) {
        revisions.add(revision)
      }
    }
    return { gateways, active: revisions }
  }

  #placesOf(gateway: string): number {
    const names = [...this.#gateways.keys()]
    const places = dividePlaces(this.#window.limit, [...this.#gateways.values()])
    return places[names.indexOf(gateway)] ?? 0
  }

  #turnsOfOthers(gateway: string): Record<string, number> {
    const turns = new Map<string, number[]>()
    for (const [name, { waits }] of this.#gateways) {
      for (const { tenant, turn } of name === gateway ? [] : waits) {
        turns.set(tenant, [...(turns.get(tenant) ?? []), turn])
      }
    }
    return Object.fromEntries(
      [...turns].map(([tenant, each]) => [tenant, sum(each) / each.length] as const),
    )
  }

  #nowOfOthers(gateway: string): number {
    let now = 0
    for (const [name, account] of this.#gateways) {
      now = name === gateway ? now : Math.max(now, account.now)
    }
    return now
  }

  #pass(from: string, served: ShareReport['served']): void {
    for (const [name, { owed }] of this.#gateways) {
      if (name !== from) {
        for (const [tenant, amount] of Object.entries(served)) {
          owed.set(tenant, (owed.get(tenant) ?? 0) + amount)
        }
      }
    }
  }

  #accountOf(gateway: string): GatewayAccount {
    const account = this.#gateways.get(gateway) ?? {
      calledAtMs: 0,
      now: 0,
      inFlight: 0,
      queuedPromptTokens: 0,
      remainingTokens: 0,
      active: none,
      waits: [],
      owed: new Map<string, number>(),
    }
    this.#gateways.set(gateway, account)
    return account
  }

  #expire(): void {
    const { ttlMs, lingerMs } = this.#times
    for (const [gateway, account] of this.#gateways) {
      const silentMs = this.#clock.now() - account.calledAtMs
      if (silentMs > ttlMs) {
        account.waits = []
      }
      if (silentMs > ttlMs + (account.inFlight > 0 ? lingerMs : 0)) {
        this.#gateways.delete(gateway)
      }
    }
  }
}

function activeOf({ inFlight }: LeaseRequest): ReadonlySet<string> {
  return new Set(Object.keys(inFlight).filter((revision) => (inFlight[revision] ?? 0) > 0))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
