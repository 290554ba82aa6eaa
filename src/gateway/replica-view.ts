import { createHash } from 'node:crypto'
import type { Pool } from 'undici'
import type {
  AgentLink,
  HelloMessage,
  ResidencyState,
  StateMessage,
} from '../api/agent-protocol.ts'
import type { EngineAddress } from '../engine/types.ts'
import { connectEngine } from './relay/connect-engine.ts'
import { PlaceShare, type PoolOrder } from './admission/place-share.ts'
import type { RouteOption } from '../core/choose-replica.ts'
import { PrefixAffinity, type PromptPrefix } from '../core/prefix-affinity.ts'
import { EnginePace } from './replica/engine-pace.ts'
import { rankOf } from './replica/rank-of.ts'
import { ReplicaLoad } from './replica/replica-load.ts'
import { Residencies } from './replica/residencies.ts'
import { SlotLease, type SlotDelay, type SlotState } from './replica/slot-lease.ts'
import type { Work } from './replica/work.ts'

/** One replica as the gateway is told of it; what it has, it learns from the agent's stream. */
export interface GatewayReplica {
  readonly name: string
  readonly poolKey: string
  /** The base's name inside the engine. */
  readonly servedModelName: string
  /** May change when the engine restarts; asked again at every hello. */
  address(): EngineAddress
  readonly link: AgentLink
}

/** Whether a request for a revision can go to a replica now, and if not, what is missing. */
export type Placement = 'Now' | 'NeedsSlot' | 'NotRoutable' | 'Down' | 'Full'

/** A replica's own entry in choices, written anew for each request. */
export interface ReplicaOption extends RouteOption {
  readonly view: ReplicaView
}

/** What the request's adapter is there. */
export type OptionState = Pick<RouteOption, 'isActive' | 'needsLoad'>

/** What a request is to whichever replica takes it. */
export interface ReplicaAsk {
  readonly promptTokens: number
  /** Expected. */
  readonly outputTokens: number
  readonly prefix: PromptPrefix | undefined
}

/** A revision that is routable at one replica. */
export interface Copy extends SlotState {
  readonly view: ReplicaView
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

export interface ReplicaViewOptions {
  readonly gateway: string
  /** Requests at one engine at once; more wait here, where order and fairness are decided (DESIGN 2.7). */
  readonly maxInFlight: number
  /** Milliseconds, monotonic. */
  readonly now: () => number
  /** Something changed that a waiting request may be waiting for. */
  readonly onChange: (view: ReplicaView) => void
  /** `isRoutable` says something else of this revision now. Called before `onChange`. */
  readonly onRoutable?: (revision: string) => void
  /** An adapter was loaded there, in so long. */
  readonly onLoaded?: (ms: number) => void
  /** An engine process is gone, see `lifeOf`. */
  readonly onProcessEnded?: (life: string) => void
  /** In which order the pool's tenants are served; absent: this gateway takes no part in it. */
  readonly order?: PoolOrder
}

/** The gateway's picture of one replica: residency and load from its agent, slots by lease, in-flight counts its own. */
export class ReplicaView {
  readonly replica: GatewayReplica
  /** Stands for the base where a revision would: what `system_fingerprint` shows. */
  readonly baseRevision: string
  readonly #options: ReplicaViewOptions
  readonly #unwatch: () => void
  readonly #residencies: Residencies
  readonly #load = new ReplicaLoad()
  /** Of this engine process; absent: it has read none. */
  #prefixes: PrefixAffinity | undefined
  readonly #option: Writable<ReplicaOption>
  readonly #share: PlaceShare
  readonly #lease: SlotLease<Copy>
  #engineProcess = ''
  #simulated = false
  #maxModelLen: number | undefined
  #ready = false
  #draining = false
  #trials = 0
  readonly pace: EnginePace
  #detail = 'no word from the agent yet'
  #stateVersion = 0
  #heard = false
  #retired = false
  #connections: Pool | undefined
  #requestHeaders: string[] = []

  constructor(replica: GatewayReplica, options: ReplicaViewOptions) {
    this.replica = replica
    this.baseRevision = createHash('sha256')
      .update(replica.servedModelName)
      .digest('hex')
      .slice(0, 32)
    this.#options = options
    this.pace = new EnginePace(options.now)
    this.#residencies = new Residencies(options.now, options.onLoaded)
    this.#share = new PlaceShare({ order: undefined, ...options })
    this.#lease = new SlotLease({
      gateway: options.gateway,
      link: replica.link,
      load: this.#load,
      share: this.#share,
      now: options.now,
      couldTake: this.#couldTake,
      onChange: () => options.onChange(this),
    })
    this.#option = {
      view: this,
      inFlight: 0,
      queuedPromptTokens: 0,
      remainingTokens: 0,
      beginnings: 0,
      slotsUsed: 0,
      isActive: false,
      needsLoad: false,
      uncachedTokens: 0,
      outputTokens: 0,
      rank: rankOf(options.gateway, replica.name),
    }
    this.#unwatch = replica.link.watchState((message) => this.#onMessage(message))
  }

  /** Identity of the engine process; a replica is a process (I2), so a restarted engine may be tried again. */
  get engineProcess(): string {
    return this.#engineProcess
  }

  /** Unlike `engineProcess`, another one for each replica. */
  lifeOf(engineProcess: string): string {
    return `${this.replica.name} ${engineProcess}`
  }

  get simulated(): boolean {
    return this.#simulated
  }

  /** Tokens of a prompt and its answer together, where the engine said so. */
  get maxModelLen(): number | undefined {
    return this.#maxModelLen
  }

  get ready(): boolean {
    return this.#ready && !this.#retired && this.#connections !== undefined
  }

  /** It was told to end. */
  get draining(): boolean {
    return this.#draining || this.#retired
  }

  /** A request runs there that may kill engines. */
  get hasTrial(): boolean {
    return this.#trials > 0
  }

  /** Such a request goes there; what is returned is called when it is past the worst, once. */
  beginTrial(): () => void {
    this.#trials += 1
    return () => {
      this.#trials -= 1
      this.#options.onChange(this)
    }
  }

  /** The agent said something, or was silent for so long that its silence is known. */
  get heard(): boolean {
    return this.#heard
  }

  get detail(): string {
    return this.#detail
  }

  /** This gateway's own requests at the engine. */
  get inFlight(): number {
    return this.#load.own
  }

  /** Other gateways send there, too. */
  get isShared(): boolean {
    return this.#load.isShared
  }

  /** What a request would find here; void with the next call. */
  optionFor(ask: ReplicaAsk, state: OptionState): ReplicaOption {
    const option = this.#option
    const load = this.#load
    option.inFlight = load.inFlight
    option.queuedPromptTokens = load.queuedPromptTokens
    option.remainingTokens = load.remainingTokens
    option.beginnings = load.beginnings
    option.slotsUsed = load.slotsUsed
    option.isActive = state.isActive
    option.needsLoad = state.needsLoad
    option.uncachedTokens = this.uncachedTokens(ask)
    option.outputTokens = ask.outputTokens
    option.seenStepMs = this.pace.stepMs
    return option
  }

  /** Slots that nobody had when the agent last spoke. */
  get freeSlots(): number {
    return this.#lease.freeSlots
  }

  /** How soon a slot would be there for what is routable here. */
  slotDelayOf(copy: Copy): SlotDelay {
    return this.#lease.delayOf(copy)
  }

  /** Of its prompt, what the engine has not read for this tenant and adapter before. */
  uncachedTokens({ promptTokens, prefix }: ReplicaAsk): number {
    return prefix === undefined || this.#prefixes === undefined
      ? promptTokens
      : promptTokens * (1 - this.#prefixes.knownPart(prefix))
  }

  get connections(): Pool | undefined {
    return this.#connections
  }

  /** What every inference request to this engine carries; nothing of a caller's headers goes on. */
  get requestHeaders(): string[] {
    return this.#requestHeaders
  }

  residencyOf(revision: string): ResidencyState {
    return this.#residencies.of(revision)
  }

  routable(): Iterable<string> {
    return this.#residencies.routable()
  }

  /** Of all gateways. */
  get queuedPromptTokens(): number {
    return this.#load.queuedPromptTokens
  }

  /** What the engine runs, from all gateways, as far as is known here. */
  get runs(): { readonly running: number; readonly adapters: number } {
    return { running: this.#load.inFlight, adapters: this.#load.slotsUsed }
  }

  /** Requests at the engine, by revision; `undefined` is the base. */
  *running(): Iterable<readonly [revision: string | undefined, count: number]> {
    let base = this.#load.own
    for (const entry of this.#load.byRevision()) {
      base -= entry[1]
      yield entry
    }
    yield [undefined, base]
  }

  /** Another number whenever what `ready` and `routable` say may have changed. */
  get stateVersion(): number {
    return this.#stateVersion
  }

  /** Proved there; it may lack a slot. */
  isRoutable(revision: string): boolean {
    return this.#residencies.isRoutable(revision)
  }

  /** `undefined` is the base model, which takes no slot. */
  placementOf(revision: string | undefined): Placement {
    if (!this.ready) {
      return 'Down'
    }
    if (revision !== undefined) {
      if (!this.isRoutable(revision)) {
        return 'NotRoutable'
      }
      if (!this.#lease.lets(revision)) {
        return 'NeedsSlot'
      }
    }
    return this.hasRoom ? 'Now' : 'Full'
  }

  /** The same of a revision that is routable here, without looking it up. */
  placementThere({ hasSlot }: Copy): Exclude<Placement, 'NotRoutable'> {
    if (!this.ready) {
      return 'Down'
    }
    if (!hasSlot || !this.#lease.lasts) {
      return 'NeedsSlot'
    }
    return this.hasRoom ? 'Now' : 'Full'
  }

  /** Of a revision that is routable here; void when it is not any more. */
  copyOf(revision: string): Copy {
    return this.#lease.stateOf(revision, () => ({
      view: this,
      revision,
      hasSlot: false,
      isActive: false,
    }))
  }

  /** One request more may go to the engine. */
  get hasRoom(): boolean {
    return this.ready && this.#load.own < this.#share.places
  }

  /** Nothing but a place at the engine is missing, or an answer that is on its way. */
  readonly #couldTake = (revision: string | undefined): boolean =>
    this.ready &&
    (revision === undefined || (this.isRoutable(revision) && this.#lease.has(revision)))

  acquire(work: Work, prefix?: PromptPrefix): void {
    this.#load.begin(work)
    if (prefix !== undefined) {
      this.#prefixes ??= new PrefixAffinity()
      this.#prefixes.note(prefix)
    }
    if (work.revision !== undefined) {
      this.#lease.refresh(work.revision)
    }
  }

  /** Its first token came. */
  read(work: Work): void {
    this.#load.read(work)
  }

  /** So many tokens are expected of it by now, and so many are written. */
  expect(work: Work, expectedTokens: number, writtenTokens: number): void {
    this.#load.expect(work, expectedTokens, writtenTokens)
  }

  release(work: Work, isAnswered: boolean): void {
    const { revision } = work
    this.#load.end(work, isAnswered)
    if (revision !== undefined && this.#load.countOf(revision) === 0) {
      this.#lease.idle(revision)
    }
    this.#options.onChange(this)
  }

  /** What a tenant was served here, in tokens by weight, for the other gateways. */
  charge(tenant: string, amount: number): void {
    this.#share.charge(tenant, amount)
  }

  /** Somebody waits who lacks nothing but a place here. */
  wantPlace(): void {
    this.#share.ask(() => this.#lease.renew())
  }

  /** Asks for a slot; `onChange` tells when it came. */
  wantSlot(revision: string): void {
    this.#lease.want(revision)
  }

  /** Asks once, and only for a slot that nobody has, so that requests to come may go here, too. */
  inviteIntoFreeSlot(revision: string): void {
    this.#lease.invite(revision)
  }

  /** Nobody waits for this revision here any more. */
  unwantSlot(revision: string): void {
    this.#lease.unwant(revision)
  }

  /** Renews what is in use, asks for what is wanted, gives back what was reclaimed and is idle. */
  renewLease(): void {
    this.#lease.renew()
  }

  /** The replica left the list: nothing new goes there, what runs there ends by itself (I4). Then `close`. */
  retire(): void {
    this.#retired = true
    this.#lease.retire()
  }

  /** Cuts what is still running there. */
  close(): Promise<void> {
    this.#unwatch()
    this.#lease.close()
    this.#share.close()
    const connections = this.#connections
    this.#connections = undefined
    return connections === undefined ? Promise.resolve() : connections.destroy()
  }

  #onMessage(message: StateMessage): void {
    switch (message.type) {
      case 'hello':
        this.#stateVersion += 1
        this.#onHello(message)
        break
      case 'residency':
        this.#stateVersion += 1
        this.#reside(message.revision, message.residency)
        break
      case 'activity':
        this.#lease.hearActivity(message)
        break
      case 'load':
        this.#heard = true
        this.#stateVersion += this.#ready === (message.ready && !message.draining) ? 0 : 1
        this.#ready = message.ready && !message.draining
        this.#draining = message.draining
        this.#detail = message.detail
        this.#lease.freeSlots = message.slots.total - message.slots.used
        this.#lease.keptSlots = message.slots.kept ?? 0
        this.#load.hear(this.#options.gateway, message.gateways ?? {}, message.adapters ?? 0)
        break
      case 'slots':
        if (message.gateways.includes(this.#options.gateway)) {
          this.renewLease()
        }
        break
      default:
        message satisfies never
    }
    this.#options.onChange(this)
  }

  #reside(revision: string, residency: ResidencyState): void {
    if (this.#residencies.hear(revision, residency)) {
      this.#lease.forget(revision)
      this.#options.onRoutable?.(revision)
    }
  }

  #clearResidency(): void {
    const routable = [...this.routable()]
    this.#residencies.clear()
    this.#lease.forget()
    this.#load.forgetActivity()
    for (const revision of routable) {
      this.#options.onRoutable?.(revision)
    }
  }

  /** Another process: nothing that was known of the old one holds (I2), and its connections are of no use. */
  #onHello({
    engineProcess,
    simulated,
    shares = false,
    tellsLoads = false,
    maxModelLen,
  }: HelloMessage): void {
    this.#clearResidency()
    this.#share.begin({ shares, tellsLoads }, engineProcess !== this.#engineProcess)
    this.#simulated = simulated
    // A process that ended says nothing; its successor has the same, as a rule.
    this.#maxModelLen = maxModelLen ?? (engineProcess === '' ? this.#maxModelLen : undefined)
    if (engineProcess === this.#engineProcess && this.#connections !== undefined) {
      return
    }
    if (this.#engineProcess !== '' && engineProcess !== this.#engineProcess) {
      this.#options.onProcessEnded?.(this.lifeOf(this.#engineProcess))
    }
    this.#engineProcess = engineProcess
    this.#load.forgetOthers()
    this.#prefixes = undefined
    const old = this.#connections
    this.#connections = undefined
    if (old !== undefined) {
      void old.close().catch(() => undefined)
    }
    if (engineProcess !== '') {
      const address = this.replica.address()
      this.#requestHeaders = ['content-type', 'application/json']
      if (address.apiKey !== undefined) {
        this.#requestHeaders.push('authorization', `Bearer ${address.apiKey}`)
      }
      this.#connections = connectEngine(address.url)
    }
  }
}
