import type { ResourceSnapshot } from '../api/kinds.ts'
import { poolKeyOf, type LoraAdapter } from '../api/lora-adapter.ts'
import { keyOf } from '../api/metadata.ts'
import type { ModelPool } from '../api/model-pool.ts'
import type { PreflightOptions } from '../artifacts/types.ts'
import { preflightOptionsOf } from '../artifacts/preflight-options.ts'
import { parseSourceUri, pathOfFileUri, placeOf, placeOfPrefix } from '../artifacts/source-uri.ts'
import type { AdapterPlan, Intake, WantedRevision } from '../core/adapter-plan.ts'
import type { QuotaGrant } from '../core/adapter-quota.ts'
import { AdapterQuotas } from '../core/adapter-quotas.ts'
import { keptDigests } from '../core/kept-digests.ts'
import { presentContentOf } from '../core/present-content.ts'
import { findNameConflicts, mayAttach, type NameConflicts } from '../core/resolve.ts'
import { judgeSource, type SourceCredentials } from '../core/source-policy.ts'
import { groupByPool, planPoolStatus, type PoolFacts } from '../core/statuses.ts'
import type { ResourceSource } from '../resources/resource-source.ts'
import { CatalogueSender } from './catalogue-sender.ts'
import type { SourceOrigin } from '../wire/depot-protocol.ts'
import { AdapterPlans } from './lora-adapter/adapter-plans.ts'
import { AdapterIntake, type IntakeRequest, type IntakeTools } from './lora-adapter/intake.ts'
import type { PoolReplicas } from './model-pool/pool-replicas.ts'
import { ResidencyPlans, type ResidencyPlansOptions } from './residency-plans.ts'
import { PassSchedule } from './pass-schedule.ts'
import { PoolSignals, type PoolSignal, type PoolSignalsOptions } from './pool-signals.ts'
import { TimeSlice } from './time-slice.ts'
import { ReplicaGroups, type ReplicaGroup } from './replica-groups.ts'
import { TenantStatuses } from './tenant-statuses.ts'

export interface ControllerLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface ControllerOptions {
  readonly source: ResourceSource
  readonly replicas: PoolReplicas
  readonly intake: Omit<IntakeTools, 'onChange'>
  /** Revisions of a pool that every gateway said it can route to. */
  readonly acknowledged: (poolKey: string) => ReadonlySet<string>
  /** What is asked of a pool's revisions; without it they are kept as their specs promise. */
  readonly traffic?: ResidencyPlansOptions['traffic']
  /** What is asked of a pool as a whole; without it nobody can say whether signals agree. */
  readonly demandOf?: PoolSignalsOptions['demandOf']
  /** Where the preflight finds the base's headers; default: the path of `model.uri`. */
  readonly baseOf?: (pool: ModelPool) => string
  /** Statuses or replicas may have changed: gateways have to know. Called after every pass. */
  readonly onPass: (controller: Controller, tookMs: number) => void
  /** Fences this controller's orders against an earlier one's. */
  readonly term: () => number
  /** False: statuses are left alone and agents told nothing; somebody else leads. */
  readonly mayAct?: () => boolean
  readonly logger: ControllerLogger
  readonly now?: () => Date
}

/** Worked out once for all adapters of a pass. */
interface Gathered {
  /** Pools of which nothing is said yet. */
  readonly silent: ReadonlySet<string>
  readonly groups: ReadonlyMap<string, ReplicaGroup>
  readonly conflicts: NameConflicts
  readonly quotas: ReadonlyMap<string, QuotaGrant>
  readonly acknowledged: ReadonlyMap<string, ReadonlySet<string>>
  readonly desiredReplicas: ReadonlyMap<string, number | undefined>
}

/**
 * Level-triggered: every event only says that something changed, and a pass looks at everything. Gather, pure plan,
 * apply; the controller may die between any two lines, and the next one comes to the same state (I12).
 */
export class Controller {
  readonly #options: ControllerOptions
  readonly #intake: AdapterIntake
  readonly #replicas: PoolReplicas
  readonly #schedule: PassSchedule
  readonly #catalogues: CatalogueSender
  readonly #groups = new ReplicaGroups()
  readonly #plans = new AdapterPlans()
  readonly #quotas = new AdapterQuotas()
  readonly #tenants: TenantStatuses
  readonly #residency: ResidencyPlans
  readonly #signals: PoolSignals
  readonly #now: () => Date
  readonly #unwatch: (() => void)[] = []
  #closed = false
  /** Pools with a revision that no replica has judged yet. */
  #judging: ReadonlySet<string> = new Set()
  #conflicts: { readonly of: readonly unknown[]; readonly found: NameConflicts } | undefined

  constructor(options: ControllerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
    this.#schedule = new PassSchedule(() => this.#pass())
    this.#intake = new AdapterIntake({ ...options.intake, onChange: () => this.kick() })
    this.#replicas = options.replicas
    this.#tenants = new TenantStatuses(options.source)
    this.#residency = new ResidencyPlans({
      traffic: options.traffic,
      costs: (poolKey) => options.demandOf?.(poolKey).costs,
      onChange: () => this.kick(),
    })
    this.#signals = new PoolSignals({
      pools: () => options.source.current().snapshot.pools,
      replicas: options.replicas,
      demandOf: options.demandOf,
      onChange: () => this.kick(),
    })
    this.#catalogues = new CatalogueSender({
      term: options.term,
      warn: (fields, message) => options.logger.warn(fields, message),
    })
  }

  start(): void {
    this.#unwatch.push(
      this.#options.source.watch(() => this.kick()),
      this.#replicas.watch(() => this.kick()),
    )
    this.#residency.start()
    this.#signals.start()
    this.kick()
  }

  /** Something changed: a pass follows, one for any number of kicks. */
  kick(): void {
    this.#schedule.kick()
  }

  /** Whether a pool has a revision that only a running replica can judge: that is demand for one. */
  isJudging(poolKey: string): boolean {
    return this.#judging.has(poolKey)
  }

  /** What scaling goes by, for whoever wants to go by it too. */
  signals(): readonly PoolSignal[] {
    return this.#signals.all()
  }

  /** Gateways and engines contradict each other: nothing may go on what they say. */
  isInert(poolKey: string): boolean {
    return this.#signals.problemOf(poolKey) !== undefined
  }

  /** Requests a second for a revision; undefined: it is neither promised nor asked for. */
  rateOf(poolKey: string, revision: string): number | undefined {
    return this.#residency.rateOf(poolKey, revision)
  }

  /** Content that the depot has no longer, by pool. */
  lost(missing: Readonly<Record<string, readonly string[]>>): void {
    this.#intake.lost(missing)
  }

  /** Content that a spec, a status or an engine still stands on. */
  isInUse(digest: string): boolean {
    if (this.#intake.busy || this.#intake.digests().has(digest)) {
      return true
    }
    const { snapshot } = this.#options.source.current()
    for (const key of snapshot.adapters.keys()) {
      if (keptDigests(this.#options.source.status('LoraAdapter', key)).includes(digest)) {
        return true
      }
    }
    return false
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true
    this.#schedule.close()
    this.#residency.close()
    this.#signals.close()
    this.#unwatch.forEach((unwatch) => unwatch())
    this.#catalogues.close()
    this.#intake.close()
    await this.#replicas.close(graceMs)
  }

  get #mayAct(): boolean {
    return !this.#closed && this.#options.mayAct?.() !== false
  }

  async #pass(): Promise<void> {
    if (!this.#mayAct) {
      return
    }
    const startMs = performance.now()
    const { snapshot } = this.#options.source.current()
    this.#replicas.sync(snapshot.pools.values())
    const states = this.#replicas.states()
    const groups = this.#groups.update(states)
    this.#plans.retain(snapshot.adapters)
    const quotas = this.#quotas.grants(snapshot, {
      intakeOf: (key, { metadata }) => this.#intake.peek(key, metadata.generation),
      statusOf: (key) => this.#options.source.status('LoraAdapter', key),
    })
    const acknowledged = new Map<string, ReadonlySet<string>>()
    const desiredReplicas = new Map<string, number | undefined>()
    for (const poolKey of snapshot.pools.keys()) {
      acknowledged.set(poolKey, this.#options.acknowledged(poolKey))
      desiredReplicas.set(poolKey, this.#replicas.factsOf(poolKey).desiredReplicas)
    }
    const conflicts = this.#conflictsOf(snapshot)
    const silent = new Set(
      Array.from(snapshot.pools.keys()).filter(
        (poolKey) => !this.#residency.mayJudge(poolKey, groups.get(poolKey)?.replicas ?? []),
      ),
    )
    const gathered = { silent, groups, conflicts, quotas, acknowledged, desiredReplicas }
    const slice = new TimeSlice()
    let wanted = await this.#reconcileAdapters(snapshot, gathered)
    if (slice.isOver) {
      // Only where adapters are many: statuses and what gateways are told of them go together.
      await slice.next()
    }
    if (this.#mayAct && this.#residency.settle(snapshot, wanted, groups)) {
      // Adapters that nothing of it concerns cost nothing the second time.
      wanted = await this.#reconcileAdapters(snapshot, gathered)
    }
    // After the plans: what is beyond a quota leaves in their statuses what was known of it.
    this.#intake.retain({
      has: (key) => snapshot.adapters.has(key) && quotas.get(key)?.excess === undefined,
    })
    const steps = [
      () =>
        this.#catalogues.send(
          states.filter(({ poolKey }) => !silent.has(poolKey)),
          wanted,
        ),
      () => this.#writePoolStatuses(snapshot, groups),
      () => this.#tenants.write(snapshot, this.#now()),
      () => this.#options.onPass(this, performance.now() - startMs),
    ]
    for (const step of steps) {
      if (slice.isOver) {
        await slice.next()
      }
      if (!this.#mayAct) {
        return
      }
      step()
    }
  }

  /** What each pool's replicas should have. Takes several turns of the event loop where adapters are many. */
  async #reconcileAdapters(
    snapshot: ResourceSnapshot,
    gathered: Gathered,
  ): Promise<ReadonlyMap<string, readonly WantedRevision[]>> {
    const judging = new Set<string>()
    const wanted = new Map<string, WantedRevision[]>()
    for (const poolKey of snapshot.pools.keys()) {
      wanted.set(poolKey, [])
    }
    const slice = new TimeSlice()
    for (const adapter of snapshot.adapters.values()) {
      if (slice.isOver) {
        await slice.next()
        if (!this.#mayAct) {
          break
        }
      }
      const poolKey = poolKeyOf(adapter)
      if (gathered.silent.has(poolKey)) {
        continue
      }
      const plan = this.#reconcileAdapter(adapter, snapshot, gathered)
      for (const one of plan.wanted) {
        wanted.get(poolKey)?.push(one)
      }
      if (plan.isJudging) {
        judging.add(poolKey)
      }
    }
    this.#judging = judging
    return wanted
  }

  #conflictsOf(snapshot: ResourceSnapshot): NameConflicts {
    const of = [snapshot.adapters, snapshot.tenants]
    if (this.#conflicts === undefined || !of.every((one, at) => one === this.#conflicts?.of[at])) {
      this.#conflicts = { of, found: findNameConflicts(snapshot) }
    }
    return this.#conflicts.found
  }

  #reconcileAdapter(
    adapter: LoraAdapter,
    snapshot: ResourceSnapshot,
    { groups, conflicts, quotas, acknowledged, desiredReplicas }: Gathered,
  ): AdapterPlan {
    const { source } = this.#options
    const key = keyOf(adapter.metadata)
    const poolKey = poolKeyOf(adapter)
    const pool = snapshot.pools.get(poolKey)
    const attached = pool !== undefined && mayAttach(pool, adapter.metadata.namespace, snapshot)
    const group = groups.get(poolKey)
    const routable = acknowledged.get(poolKey)
    const quota = quotas.get(key)
    const isTaken = pool !== undefined && attached && quota?.excess === undefined
    const known =
      quota?.excess === undefined ? undefined : this.#intake.peek(key, adapter.metadata.generation)
    const plan = this.#plans.of(
      key,
      {
        adapter,
        pool,
        mayAttach: attached,
        nameHolder: conflicts.get(key),
        quota,
        intake: isTaken ? this.#intakeOf(adapter, pool, snapshot) : (known ?? pending),
        previous: source.status('LoraAdapter', key),
        replicas: group?.replicas ?? [],
        desiredReplicas: desiredReplicas.get(poolKey),
        placementOf: (revision) => this.#residency.of(poolKey)?.placementOf(revision),
        isAcknowledged: (revision) => routable?.has(revision) === true,
        now: this.#now(),
      },
      group?.identity,
    )
    source.writeStatus('LoraAdapter', key, plan.status)
    return plan
  }

  #intakeOf(adapter: LoraAdapter, pool: ModelPool, snapshot: ResourceSnapshot): Intake {
    const key = keyOf(adapter.metadata)
    const parts = [adapter, pool, snapshot.baseFolders]
    return this.#intake.recall(key, parts) ?? this.#askIntake(key, adapter, pool, snapshot, parts)
  }

  #askIntake(
    key: string,
    adapter: LoraAdapter,
    pool: ModelPool,
    snapshot: ResourceSnapshot,
    parts: readonly unknown[],
  ): Intake {
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
    const request: IntakeRequest = {
      uri: source.uri,
      baseFolder,
      expectedDigest: source.digest?.replace(/^sha256:/, ''),
      knownDigest: presentContentOf(previous, adapter.metadata.generation)?.digest,
      generation: adapter.metadata.generation,
      origin: originOf(adapter, pool, verdict?.credentials ?? 'Anonymous'),
      preflight: this.#preflightOf(adapter, pool, poolFolder),
    }
    return this.#intake.of(key, request, parts)
  }

  #preflightOf(adapter: LoraAdapter, pool: ModelPool, poolFolder: string): PreflightOptions {
    const path = pathOrNothing(pool.spec.model.uri, poolFolder)
    const options = preflightOptionsOf(pool, path, adapter.spec)
    const { baseOf } = this.#options
    return baseOf === undefined ? options : { ...options, baseModelPath: baseOf(pool) }
  }

  #factsOf(poolKey: string): PoolFacts {
    const facts = this.#replicas.factsOf(poolKey)
    const problem = this.#signals.problemOf(poolKey)
    return problem === undefined
      ? facts
      : {
          ...facts,
          verdicts: [...facts.verdicts, { type: 'SignalInert', status: 'True', ...problem }],
        }
  }

  #writePoolStatuses(snapshot: ResourceSnapshot, groups: ReadonlyMap<string, ReplicaGroup>): void {
    const { source } = this.#options
    const now = this.#now()
    const adapters = groupByPool(snapshot, (key) => source.status('LoraAdapter', key))
    for (const [key, pool] of snapshot.pools) {
      const replicas = groups.get(key)?.replicas ?? []
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
          facts: this.#factsOf(key),
          advice: this.#signals.adviceOf(key),
          adapters: adapters.get(key) ?? [],
          previous: source.status('ModelPool', key),
          now,
        }),
      )
    }
  }
}

const pending: Intake = { state: 'Pending', message: '' }

/** On whose Secret the depot reads it. */
function originOf(
  adapter: LoraAdapter,
  pool: ModelPool,
  credentials: SourceCredentials,
): SourceOrigin {
  const { namespace } = adapter.metadata
  const secret =
    credentials === 'Adapter'
      ? { namespace, name: adapter.spec.source.secretRef?.name }
      : { namespace: pool.metadata.namespace, name: pool.spec.model.secretRef?.name }
  return {
    poolKey: keyOf(pool.metadata),
    namespace,
    ...(credentials === 'Anonymous' || secret.name === undefined
      ? {}
      : { secret: { namespace: secret.namespace, name: secret.name } }),
  }
}

/** Empty for a URI that leads nowhere; whoever fetches it says so in words. */
function pathOrNothing(uri: string, baseFolder: string): string {
  const found = pathOfFileUri(uri, baseFolder)
  return found.ok ? found.path.replace(/\/$/, '') : ''
}
