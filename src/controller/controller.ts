import type { CatalogueEntry, Want } from '../api/agent-protocol.ts'
import type { ResourceSnapshot } from '../api/kinds.ts'
import { poolKeyOf, type LoraAdapter } from '../api/lora-adapter.ts'
import { keyOf } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { preflightOptionsOf } from '../artifacts/preflight-options.ts'
import { parseSourceUri, pathOfFileUri, placeOf, placeOfPrefix } from '../artifacts/source-uri.ts'
import { planAdapter, type Intake, type WantedRevision } from '../core/adapter-plan.ts'
import { findNameConflicts, mayAttach, type NameConflicts } from '../core/resolve.ts'
import { judgeSource } from '../core/source-policy.ts'
import {
  groupByPool,
  planKeyStatuses,
  planPoolStatus,
  planTenantStatuses,
} from '../core/statuses.ts'
import type { ResourceSource } from '../resources/resource-source.ts'
import { AdapterIntake, type IntakeTools } from './lora-adapter/intake.ts'
import { ReplicaSet, type ReplicaFactory, type ReplicaState } from './model-pool/replica-set.ts'

export interface ControllerLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ControllerOptions {
  readonly source: ResourceSource
  readonly replicas: ReplicaFactory
  readonly intake: Omit<IntakeTools, 'onChange'>
  /** Revisions of a pool that every gateway said it can route to. */
  readonly acknowledged: (poolKey: string) => ReadonlySet<string>
  /** Statuses or replicas may have changed: gateways have to know. Called after every pass. */
  readonly onPass: (controller: Controller) => void
  /** Fences this controller's orders against an earlier one's. */
  readonly term: number
  readonly logger: ControllerLogger
  readonly now?: () => Date
}

/**
 * Level-triggered: every event only says that something changed, and a pass looks at everything. Gather, pure plan,
 * apply; the controller may die between any two lines, and the next one comes to the same state (I12).
 */
export class Controller {
  readonly #options: ControllerOptions
  readonly #intake: AdapterIntake
  readonly #replicas: ReplicaSet
  readonly #sent = new Map<string, { readonly fingerprint: string; readonly replica: object }>()
  readonly #now: () => Date
  #sequence = 0
  #scheduled: NodeJS.Immediate | undefined
  #unwatch: () => void = () => undefined
  #closed = false

  constructor(options: ControllerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
    this.#intake = new AdapterIntake({ ...options.intake, onChange: () => this.kick() })
    this.#replicas = new ReplicaSet(options.replicas, () => this.kick())
  }

  start(): void {
    this.#unwatch = this.#options.source.watch(() => this.kick())
    this.kick()
  }

  /** Something changed: a pass follows, one for any number of kicks. */
  kick(): void {
    if (this.#scheduled === undefined && !this.#closed) {
      this.#scheduled = setImmediate(() => {
        this.#scheduled = undefined
        this.#pass()
      })
    }
  }

  replicas(): readonly ReplicaState[] {
    return this.#replicas.states()
  }

  /** Content that a spec, a status or an engine still stands on. */
  isInUse(digest: string): boolean {
    if (this.#intake.busy || this.#intake.digests().has(digest)) {
      return true
    }
    const { snapshot } = this.#options.source.current()
    for (const key of snapshot.adapters.keys()) {
      if (
        this.#options.source
          .status('LoraAdapter', key)
          ?.revisions.some((revision) => revision.digest === digest) === true
      ) {
        return true
      }
    }
    return this.#replicas.states().some(({ replica }) => !replica.mayDelete(digest))
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true
    this.#unwatch()
    clearImmediate(this.#scheduled)
    this.#intake.close()
    await this.#replicas.close(graceMs)
  }

  #pass(): void {
    const { snapshot } = this.#options.source.current()
    this.#replicas.sync(snapshot.pools.values())
    const states = this.#replicas.states()
    this.#intake.retain(new Set(snapshot.adapters.keys()))
    const conflicts = findNameConflicts(snapshot)
    const wanted = [...snapshot.adapters.values()].flatMap((adapter) =>
      this.#reconcileAdapter(adapter, snapshot, states, conflicts),
    )
    this.#sendCatalogues(states, wanted)
    this.#writeOtherStatuses(snapshot, states)
    this.#options.onPass(this)
  }

  #reconcileAdapter(
    adapter: LoraAdapter,
    snapshot: ResourceSnapshot,
    states: readonly ReplicaState[],
    conflicts: NameConflicts,
  ): readonly WantedRevision[] {
    const { source } = this.#options
    const key = keyOf(adapter.metadata)
    const poolKey = poolKeyOf(adapter)
    const pool = snapshot.pools.get(poolKey)
    const attached = pool !== undefined && mayAttach(pool, adapter.metadata.namespace, snapshot)
    const acknowledged = this.#options.acknowledged(poolKey)
    const plan = planAdapter({
      adapter,
      pool,
      mayAttach: attached,
      nameHolder: conflicts.get(key),
      intake: pool !== undefined && attached ? this.#intakeOf(adapter, pool, snapshot) : pending,
      previous: source.status('LoraAdapter', key),
      replicas: states.filter((state) => state.poolKey === poolKey),
      isAcknowledged: (revision) => acknowledged.has(revision),
      now: this.#now(),
    })
    source.writeStatus('LoraAdapter', key, plan.status)
    return plan.wanted
  }

  #intakeOf(adapter: LoraAdapter, pool: ModelPool, snapshot: ResourceSnapshot): Intake {
    const key = keyOf(adapter.metadata)
    const { source } = adapter.spec
    const baseFolder = snapshot.baseFolders.get(`LoraAdapter/${key}`) ?? process.cwd()
    const poolFolder =
      snapshot.baseFolders.get(`ModelPool/${keyOf(pool.metadata)}`) ?? process.cwd()
    const parsed = parseSourceUri(source.uri, baseFolder)
    // A URI that leads nowhere goes on to whoever fetches it, who says so in words.
    const verdict = parsed.ok
      ? judgeSource({
          pool,
          adapterNamespace: adapter.metadata.namespace,
          place: placeOf(parsed.source),
          // A prefix that leads nowhere allows nothing; the root folder's place is '' without its slash, and allows all.
          prefixes: pool.spec.lora.sources?.flatMap(({ uriPrefix, credentials }) => {
            const place = placeOfPrefix(uriPrefix, poolFolder)
            return place === undefined ? [] : [{ place, credentials }]
          }),
        })
      : undefined
    if (verdict?.allowed === false) {
      return { state: 'FetchFailed', reason: 'SourceNotAllowed', message: verdict.message }
    }
    const previous = this.#options.source.status('LoraAdapter', key)
    const isSameSpec = previous?.observedGeneration === adapter.metadata.generation
    return this.#intake.of(key, {
      uri: source.uri,
      baseFolder,
      expectedDigest: source.digest?.replace(/^sha256:/, ''),
      knownDigest: isSameSpec ? previous.revisions.at(-1)?.digest : undefined,
      generation: adapter.metadata.generation,
      preflight: preflightOptionsOf(
        pool,
        pathOrNothing(pool.spec.model.uri, poolFolder),
        adapter.spec,
      ),
    })
  }

  #sendCatalogues(states: readonly ReplicaState[], wanted: readonly WantedRevision[]): void {
    for (const { name, replica } of states) {
      const entries = mergeEntries(wanted.filter((one) => one.replica === name))
      const fingerprint = JSON.stringify(entries)
      const sent = this.#sent.get(name)
      if (sent?.fingerprint === fingerprint && sent.replica === replica) {
        continue
      }
      this.#sent.set(name, { fingerprint, replica })
      this.#sequence += 1
      replica.link
        .setDesired({ term: this.#options.term, sequence: this.#sequence, entries })
        .catch((error: unknown) => {
          this.#sent.delete(name)
          this.#options.logger.warn(
            { err: error, replica: name },
            'the agent did not take its catalogue',
          )
        })
    }
  }

  #writeOtherStatuses(snapshot: ResourceSnapshot, states: readonly ReplicaState[]): void {
    const { source } = this.#options
    const now = this.#now()
    const adapters = groupByPool(snapshot, (key) => source.status('LoraAdapter', key))
    for (const [key, pool] of snapshot.pools) {
      const replicas = states.filter((state) => state.poolKey === key)
      const known = replicas.find((state) => state.engineVersion !== '')
      source.writeStatus(
        'ModelPool',
        key,
        planPoolStatus({
          pool,
          replicas,
          engine:
            known === undefined
              ? undefined
              : { version: known.engineVersion, simulated: known.simulated },
          failure: this.#replicas.failureOf(key),
          adapters: adapters.get(key) ?? [],
          previous: source.status('ModelPool', key),
          now,
        }),
      )
    }
    this.#write(
      'ModelTenant',
      planTenantStatuses(snapshot, (key) => source.status('ModelTenant', key), now),
    )
    this.#write(
      'TenantKey',
      planKeyStatuses(snapshot, (key) => source.status('TenantKey', key), now),
    )
  }

  #write(
    kind: 'ModelTenant' | 'TenantKey',
    statuses: ReadonlyMap<string, Parameters<ResourceSource['writeStatus']>[2]>,
  ): void {
    for (const [key, status] of statuses) {
      this.#options.source.writeStatus(kind, key, status)
    }
  }
}

const pending: Intake = { state: 'Pending', message: '' }

const strength: Readonly<Record<Want, number>> = { Allowed: 0, OnDisk: 1, Loaded: 2 }

/** Two adapters of one content share a revision: the stronger wish counts. */
function mergeEntries(wanted: readonly WantedRevision[]): CatalogueEntry[] {
  const entries = new Map<string, CatalogueEntry>()
  for (const { revision, digest, sizeBytes, want } of wanted) {
    const held = entries.get(revision)
    if (held === undefined || strength[want] > strength[held.want]) {
      entries.set(revision, { revision, digest, sizeBytes, want })
    }
  }
  return [...entries.values()].sort((left, right) => (left.revision < right.revision ? -1 : 1))
}

/** Empty for a URI that leads nowhere; whoever fetches it says so in words. */
function pathOrNothing(uri: string, baseFolder: string): string {
  const found = pathOfFileUri(uri, baseFolder)
  return found.ok ? found.path.replace(/\/$/, '') : ''
}
