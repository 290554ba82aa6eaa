import { basename, join } from 'node:path'
import type { DesiredRequest, ResidencyState } from '../api/agent-protocol.ts'
import { revisionOfEngineName } from '../api/names.ts'
import type { StoredAdapter } from '../artifacts/types.ts'
import { isWanted, type AdapterView, type HostCacheView } from '../core/residency.ts'
import type { EngineModel } from '../engine/types.ts'
import {
  digestIn,
  isRoutable,
  newRecord,
  residencyOf,
  type AdapterRecord,
  type Failure,
} from './adapter-record.ts'
import { spareDigest } from './spare-digest.ts'

export interface LedgerOptions {
  readonly maxCpuLoras: number
  readonly leaseMs: number
  readonly firstRetryMs: number
  readonly lastRetryMs: number
  readonly keepFilesMs: number
  /** Where the engine sees the content store, if not where we do. */
  readonly adapterRoot: string | undefined
  now(): number
  /** The residency of this revision may have changed. */
  onChange(revision: string): void
}

/** Everything that is known of every revision on this replica: our own ledger, because vLLM keeps none (DESIGN 2.8). */
export class AdapterLedger {
  readonly #options: LedgerOptions
  readonly #records = new Map<string, AdapterRecord>()
  /** When the name of a digest went, for as long as its files must stay. */
  readonly #unnamedAtMs = new Map<string, number>()
  #ghostsTouchedMs: number[] = []
  #foreign = 0
  #listed = false

  constructor(options: LedgerOptions) {
    this.#options = options
  }

  get(revision: string): AdapterRecord | undefined {
    return this.#records.get(revision)
  }

  get records(): Iterable<AdapterRecord> {
    return this.#records.values()
  }

  get registered(): number {
    return this.#foreign + [...this.#records.values()].filter((it) => it.registration).length
  }

  get ghosts(): number {
    return this.#ghostsTouchedMs.length
  }

  isRoutable(revision: string): boolean {
    const record = this.#records.get(revision)
    return record !== undefined && isRoutable(record)
  }

  residency(revision: string): ResidencyState {
    const record = this.#records.get(revision)
    const full = `All ${this.#options.maxCpuLoras} places of the engine's host cache are taken by adapters that are wanted; raise lora.maxCpuLoras or lower what is kept loaded.`
    return record === undefined
      ? { state: 'Absent' }
      : residencyOf(record, this.isWanted(record), full)
  }

  get residencies(): ReadonlyMap<string, ResidencyState> {
    return new Map([...this.#records.keys()].map((key) => [key, this.residency(key)]))
  }

  isWanted(record: AdapterRecord): boolean {
    const { want, failure } = record
    return isWanted({ want, failure, leased: this.#isLeased(record) })
  }

  /** Says whether a name on the engine is now wanted of which it is not known yet whether it stands for our files. */
  setCatalogue({ entries, change }: Pick<DesiredRequest, 'entries' | 'change'>): boolean {
    const gone = new Set(change === undefined ? this.#records.keys() : change.gone)
    let isUnclear = false
    for (const entry of entries) {
      gone.delete(entry.revision)
      const record = this.#record(entry.revision)
      record.digest = entry.digest
      record.want = entry.want
      isUnclear ||= record.registration !== undefined && record.stored === undefined
      this.#options.onChange(entry.revision)
    }
    for (const revision of gone) {
      this.#leave(revision)
    }
    return isUnclear
  }

  stored(revision: string, adapter: StoredAdapter | undefined): void {
    this.#update(revision, (record) => {
      record.stored = adapter
    })
  }

  /** Its files are on their way: nothing can be loaded yet, and nothing has failed. */
  setComing(digest: string, coming: boolean): void {
    for (const record of this.#withDigest(digest)) {
      record.coming = coming
    }
  }

  arrived(digest: string, adapter: StoredAdapter): void {
    for (const record of this.#withDigest(digest)) {
      record.stored = adapter
      record.coming = false
      record.failure = record.failure?.permanent === true ? record.failure : undefined
      this.#options.onChange(record.revision)
    }
  }

  notFetched(digest: string, failure: Pick<Failure, 'reason' | 'message' | 'permanent'>): void {
    for (const { revision } of this.#withDigest(digest)) {
      this.failed(revision, failure)
    }
  }

  /** Whether the catalogue names content that has this digest. */
  isNamed(digest: string): boolean {
    return this.#withDigest(digest).length > 0
  }

  /** Traffic. Says whether this is what makes the adapter wanted. */
  use(revision: string, inFlight: boolean): boolean {
    const record = this.#records.get(revision)
    if (record === undefined) {
      return false
    }
    const before = this.isWanted(record)
    const nowMs = this.#options.now()
    record.lastUsedMs = nowMs
    record.leaseUntilMs = nowMs + this.#options.leaseMs
    if (inFlight) {
      record.touchedMs = nowMs
    }
    const becameWanted = !before && this.isWanted(record)
    if (becameWanted) {
      this.#options.onChange(revision)
    }
    return becameWanted
  }

  /** The engine read it: it is the youngest in vLLM's LRU. */
  touched(revision: string): void {
    this.#update(revision, (record) => {
      record.touchedMs = this.#options.now()
    })
  }

  loading(revision: string): void {
    this.#update(revision, (record) => {
      record.loading = true
    })
  }

  loaded(revision: string, root: string): void {
    this.#update(revision, (record) => {
      record.loading = false
      record.registration = { root, ours: true }
      record.touchedMs = this.#options.now()
      record.failure = undefined
    })
    // Beyond its capacity vLLM pushes out the least recently used; the plan saw to it that this is a ghost.
    if (this.registered + this.ghosts > this.#options.maxCpuLoras) {
      this.#ghostsTouchedMs = this.#ghostsTouchedMs.toSorted((a, b) => a - b).slice(1)
    }
  }

  proved(revision: string): void {
    this.#update(revision, (record) => {
      record.proved = record.want !== undefined
      record.failure = undefined
      record.touchedMs = this.#options.now()
    })
  }

  retire(revision: string): void {
    this.#update(revision, (record) => {
      record.proved = false
      record.retiredAtMs = this.#options.now()
    })
  }

  unloaded(revision: string): void {
    this.#update(revision, (record) => this.#unregister(record))
    this.#dropIfUnknown(revision)
  }

  failed(revision: string, failure: Pick<Failure, 'reason' | 'message' | 'permanent'>): void {
    this.#update(revision, (record) => {
      const attempts = (record.failure?.attempts ?? 0) + 1
      const backoffMs = this.#options.firstRetryMs * 2 ** Math.min(attempts - 1, 30)
      const retryAtMs = this.#options.now() + Math.min(backoffMs, this.#options.lastRetryMs)
      record.loading = false
      record.proved = record.proved && !failure.permanent
      record.failure = record.want === undefined ? undefined : { ...failure, retryAtMs, attempts }
    })
    this.#dropIfUnknown(revision)
  }

  setNoRoom(revisions: readonly string[]): void {
    const full = new Set(revisions)
    for (const record of this.#records.values()) {
      if (record.noRoom !== full.has(record.revision)) {
        record.noRoom = full.has(record.revision)
        this.#options.onChange(record.revision)
      }
    }
  }

  /** What the engine lists. Names that are new to us are there from an earlier agent; names of ours may be gone. */
  reconcile(models: readonly EngineModel[]): { readonly vanished: readonly string[] } {
    const adapters = models.filter((model) => model.parent !== undefined)
    const ours = new Map<string, string | undefined>()
    for (const model of adapters) {
      const revision = revisionOfEngineName(model.id)
      if (revision !== undefined) {
        ours.set(revision, model.root)
      }
    }
    this.#foreign = adapters.length - ours.size
    this.#listed = true
    for (const [revision, root] of ours) {
      this.#found(revision, root)
    }
    const vanished = [...this.#records.values()].filter(
      (record) => record.registration !== undefined && !ours.has(record.revision),
    )
    for (const { revision } of vanished) {
      this.unloaded(revision)
    }
    return { vanished: vanished.map((record) => record.revision) }
  }

  /** I2: the process is gone, and with it everything that was true on it. */
  void(): void {
    this.#listed = false
    this.#foreign = 0
    for (const record of this.#records.values()) {
      this.#forgetProcess(record)
      this.#options.onChange(record.revision)
      this.#dropIfUnknown(record.revision)
    }
  }

  /** A process is there. Leases that ran when the last one went go on: nobody could use them meanwhile. */
  engineArrived(isNewProcess: boolean, downSinceMs: number): void {
    if (isNewProcess) {
      this.#ghostsTouchedMs = []
    }
    for (const record of this.#records.values()) {
      if (record.leaseUntilMs >= downSinceMs) {
        record.leaseUntilMs = this.#options.now() + this.#options.leaseMs
      }
    }
  }

  views(isHeld: (revision: string) => boolean): readonly AdapterView[] {
    const here = [...this.#records.values()].filter(
      (record) => !record.coming || record.registration !== undefined,
    )
    return here.map((record) => ({
      ...record,
      leased: this.#isLeased(record),
      registration: registrationOf(record),
      held: isHeld(record.revision),
    }))
  }

  get hostCache(): HostCacheView {
    return {
      capacity: this.#options.maxCpuLoras,
      foreign: this.#foreign,
      ghostsTouchedMs: this.#ghostsTouchedMs,
    }
  }

  /** Where the engine finds this content. */
  enginePathOf(adapter: StoredAdapter): string {
    const { adapterRoot } = this.#options
    return adapterRoot === undefined ? adapter.path : join(adapterRoot, basename(adapter.path))
  }

  mayDelete(digest: string, isHeld: (revision: string) => boolean): boolean {
    for (const record of this.#records.values()) {
      const named = record.digest === digest || record.registration?.root?.includes(digest) === true
      if (named && (record.want !== undefined || record.registration !== undefined)) {
        return false
      }
      if (named && (record.loading || isHeld(record.revision))) {
        return false
      }
    }
    return this.#listed && !this.#isUnnamedLately(digest)
  }

  /** The least recently used of what only a request would need; from now on its files are not here. */
  takeSpare(isHeld: (revision: string) => boolean): string | undefined {
    const digest = spareDigest(this.#listed ? [...this.#records.values()] : [], {
      isBusy: (record) =>
        this.#isLeased(record) ||
        isHeld(record.revision) ||
        this.#isUnnamedLately(record.digest ?? ''),
    })
    for (const { revision } of digest === undefined ? [] : this.#withDigest(digest)) {
      this.stored(revision, undefined)
    }
    return digest
  }

  #isUnnamedLately(digest: string): boolean {
    const unnamedAtMs = this.#unnamedAtMs.get(digest) ?? Number.NEGATIVE_INFINITY
    return this.#options.now() - unnamedAtMs < this.#options.keepFilesMs
  }

  #withDigest(digest: string): readonly AdapterRecord[] {
    return [...this.#records.values()].filter(
      (record) => record.digest === digest && record.want !== undefined,
    )
  }

  #isLeased(record: AdapterRecord): boolean {
    return record.leaseUntilMs > this.#options.now()
  }

  #record(revision: string): AdapterRecord {
    const record = this.#records.get(revision) ?? newRecord(revision)
    this.#records.set(revision, record)
    return record
  }

  #update(revision: string, change: (record: AdapterRecord) => void): void {
    const record = this.#records.get(revision)
    if (record !== undefined) {
      change(record)
      this.#options.onChange(revision)
    }
  }

  /** No longer in the catalogue: not routed from now on, forgotten once the engine does not know it. */
  #leave(revision: string): void {
    this.#update(revision, (record) => {
      if (record.want !== undefined) {
        record.want = undefined
        record.proved = false
        record.failure = undefined
        record.retiredAtMs = this.#options.now()
      }
    })
    this.#dropIfUnknown(revision)
  }

  #dropIfUnknown(revision: string): void {
    const record = this.#records.get(revision)
    if (
      record?.want === undefined &&
      record?.registration === undefined &&
      record?.loading === false
    ) {
      this.#records.delete(revision)
      this.#options.onChange(revision)
    }
  }

  #found(revision: string, root: string | undefined): void {
    const known = this.#records.has(revision)
    const record = this.#record(revision)
    const ours = record.stored !== undefined && root === this.enginePathOf(record.stored)
    if (record.registration?.root !== root || record.registration?.ours !== ours) {
      record.registration = { root, ours }
      record.proved = false
    }
    if (!known) {
      record.retiredAtMs = this.#options.now()
    }
    this.#options.onChange(revision)
  }

  /** The name is gone; the weights stay in vLLM's LRU as a ghost. */
  #unregister(record: AdapterRecord): void {
    this.#ghostsTouchedMs.push(record.touchedMs)
    this.#forgetProcess(record)
  }

  #forgetProcess(record: AdapterRecord): void {
    const digest = record.digest ?? digestIn(record.registration?.root)
    if (record.registration !== undefined && digest !== undefined) {
      this.#unnamed(digest)
    }
    record.registration = undefined
    record.proved = false
    record.loading = false
    record.noRoom = false
    record.failure = record.failure?.permanent === true ? record.failure : undefined
  }

  #unnamed(digest: string): void {
    const nowMs = this.#options.now()
    for (const [other, unnamedAtMs] of this.#unnamedAtMs) {
      if (nowMs - unnamedAtMs >= this.#options.keepFilesMs) {
        this.#unnamedAtMs.delete(other)
      }
    }
    this.#unnamedAtMs.set(digest, nowMs)
  }
}

function registrationOf(record: AdapterRecord): AdapterView['registration'] {
  if (record.registration === undefined) {
    return 'None'
  }
  return record.registration.ours ? 'Ours' : 'Foreign'
}
