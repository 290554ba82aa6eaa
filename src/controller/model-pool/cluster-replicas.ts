import { labels } from '../../api/cluster-names.ts'
import { keyOf } from '../../api/metadata.ts'
import type { ModelPool } from '../../api/model-pool.ts'
import { ignoredTemplateFields } from '../../core/ignored-template-fields.ts'
import { canonical, poolRevisionOf } from '../../core/pool-revision.ts'
import { judgeRollout } from '../../core/rollout.ts'
import type { PoolFacts, Verdict } from '../../core/statuses.ts'
import { engineObjectName, podSelectorOf } from '../../core/workload-names.ts'
import type { EventRecorder } from '../../resources/kubernetes/event-recorder.ts'
import type { KubeLogger } from '../../resources/kubernetes/kube-logger.ts'
import { Reconciler } from '../../resources/kubernetes/reconciler.ts'
import type { KubeObject, StoreChange } from '../../resources/kubernetes/types.ts'
import { WorkQueue } from '../../resources/kubernetes/work-queue.ts'
import { apiVersion } from '../../api/metadata.ts'
import { secretFingerprint } from '../../wire/internal-auth.ts'
import { Autoscaler, type AutoscalerOptions, type PoolDemand, type Silence } from './autoscaler.ts'
import { isPodReady } from './kube-shapes.ts'
import { planPool, refusePool } from './plan-pool.ts'
import { PodReplicas, poolKeyOfPod } from './pod-replicas.ts'
import { poolIndex } from './pool-caches.ts'
import { PoolReconciler, type PoolReconcilerOptions } from './pool-reconciler.ts'
import type { PoolReplicas, ReplicaState } from './pool-replicas.ts'
import { viewRollout } from './pool-view.ts'

export interface ClusterReplicasOptions extends Pick<
  PoolReconcilerOptions,
  'client' | 'caches' | 'settings' | 'secret' | 'agentRollout' | 'mayAct' | 'rateOf'
> {
  readonly demandOf: (poolKey: string) => PoolDemand
  readonly isJudging: (poolKey: string) => boolean
  readonly logger: KubeLogger
  readonly events?: Pick<EventRecorder, 'record'>
  readonly createLink?: ConstructorParameters<typeof PodReplicas>[0]['createLink']
  /** Unix milliseconds: marks on pods outlive a process. */
  readonly now?: () => number
}

/** Paths, or gateways, that one message names. */
const mostNamed = 8
/** How long the condition `TwoScalers` stays after the last foreign write. */
const foreignMs = 600_000
/** Changes of one pool that come together are one look. */
const quietMs = 50

/** Replicas as pods of Deployments: what pools ask for is applied in the background, what agents say is told. */
export class ClusterReplicas implements PoolReplicas {
  readonly #options: ClusterReplicasOptions
  readonly #links: PodReplicas
  readonly #autoscaler: Autoscaler
  readonly #queue = new WorkQueue({ baseBackoffMs: 100, maxBackoffMs: 30_000 })
  readonly #reconciler: Reconciler
  readonly #watchers = new Set<() => void>()
  readonly #unwatch: (() => void)[] = []
  readonly #foreign = new Map<string, { readonly replicas: number; readonly atMs: number }>()
  readonly #now: () => number
  readonly #fingerprint: string
  readonly #ofTemplates = new WeakMap<ModelPool, readonly Verdict[]>()
  #pools: ReadonlyMap<string, ModelPool> = new Map()
  #facts = new Map<string, { readonly text: string; readonly facts: PoolFacts }>()

  constructor(options: ClusterReplicasOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    const { caches, secret, createLink } = options
    this.#fingerprint = secretFingerprint(secret)
    this.#links = new PodReplicas({
      pods: caches.pods,
      secret,
      ...(createLink === undefined ? {} : { createLink }),
    })
    this.#autoscaler = new Autoscaler({
      demandOf: (key) => this.#demandOf(key),
      replicasOf: (key) => this.#countsOf(key),
      isJudging: options.isJudging,
      onChange: (key, desired, words) => this.#scaled(key, desired, words),
    })
    this.#reconciler = this.#createReconciler()
  }

  /** Once the caches have synced: what is not there yet would look like gone. */
  start(): void {
    const { caches } = this.#options
    const look = ({ before, after }: StoreChange<KubeObject>): void => {
      const object = after ?? before
      if (object !== undefined) {
        this.#look(poolKeyOfPod(object))
      }
    }
    this.#unwatch.push(caches.deployments.onChange(look))
    for (const { reflector } of caches.others.values()) {
      this.#unwatch.push(reflector.onChange(look))
    }
    this.#unwatch.push(
      this.#links.watch((key, what) => {
        if (what === 'Service') {
          this.#look(key)
        } else {
          this.#notify()
        }
      }),
    )
    this.#links.start()
    this.#autoscaler.start()
    this.#reconciler.start()
  }

  sync(pools: Iterable<ModelPool>): void {
    const before = this.#pools
    this.#pools = new Map([...pools].map((pool) => [keyOf(pool.metadata), pool]))
    this.#autoscaler.sync(this.#pools.values())
    for (const [key, pool] of this.#pools) {
      const known = before.get(key)
      if (known !== pool && (known === undefined || !isSame(known, pool))) {
        // What was found of the spec before is not to be told of this one: tools that wait would take it for done.
        this.#facts.delete(key)
        this.#queue.add(key)
      }
    }
    for (const key of before.keys()) {
      if (!this.#pools.has(key)) {
        this.#facts.delete(key)
        this.#queue.add(key)
      }
    }
    // A revision that waits for a judge is demand; it is known only after a pass.
    this.#autoscaler.wake()
  }

  states(): readonly ReplicaState[] {
    return this.#links.all().map((replica) => replica.state())
  }

  failureOf(poolKey: string): string | undefined {
    const pool = this.#pools.get(poolKey)
    return pool === undefined ? undefined : refusePool(pool)
  }

  factsOf(poolKey: string): PoolFacts {
    const facts = this.#facts.get(poolKey)?.facts ?? this.#judge(poolKey)
    const spec = this.#pools.get(poolKey)?.spec
    // Not among what is kept: it changes by time alone.
    const silence =
      spec?.scaling === undefined || spec.paused
        ? undefined
        : this.#options.demandOf(poolKey).silence
    return silence === undefined
      ? facts
      : { ...facts, verdicts: [...facts.verdicts, demandUnknown(silence)] }
  }

  watch(onChange: () => void): () => void {
    const watcher = (): void => onChange()
    this.#watchers.add(watcher)
    return () => {
      this.#watchers.delete(watcher)
    }
  }

  /** Where there are no replicas it cannot wait for the next second. */
  demandCame(): void {
    this.#autoscaler.wake()
  }

  async close(): Promise<void> {
    this.#unwatch.forEach((unwatch) => unwatch())
    this.#autoscaler.close()
    this.#queue.close()
    await this.#reconciler.close()
    await this.#links.close()
  }

  #createReconciler(): Reconciler {
    const { client, caches, settings, secret, agentRollout, mayAct, rateOf, logger } = this.#options
    const pools = new PoolReconciler({
      client,
      caches,
      settings,
      secret,
      agentRollout,
      mayAct,
      rateOf,
      replicas: this.#links,
      poolOf: (key) => this.#pools.get(key),
      desiredOf: (key) => this.#autoscaler.desiredOf(key),
      onForeignReplicas: (key, replicas) => {
        this.#foreign.set(key, { replicas, atMs: this.#now() })
        const pool = this.#pools.get(key)
        if (pool !== undefined) {
          this.#tell(pool, 'Warning', 'TwoScalers', `Somebody set ${replicas} replicas.`)
        }
      },
      onStep: (pool, reason, note) => this.#tell(pool, 'Normal', reason, note),
      now: this.#now,
    })
    return new Reconciler({
      name: 'ModelPool',
      queue: this.#queue,
      workers: 4,
      logger,
      breaker: { burst: 1000, perSecond: 10 },
      reconcile: async (key, signal) => {
        const outcome = await pools.reconcile(key, signal)
        this.#learn(key)
        return outcome
      },
    })
  }

  #look(poolKey: string): void {
    this.#queue.addAfter(poolKey, quietMs)
    this.#notify()
  }

  #notify(): void {
    this.#watchers.forEach((watcher) => watcher())
  }

  #learn(poolKey: string): void {
    if (!this.#pools.has(poolKey)) {
      return
    }
    const before = this.#facts.get(poolKey)?.text
    const facts = this.#judge(poolKey)
    const text = canonical(facts)
    this.#facts.set(poolKey, { text, facts })
    if (text !== before) {
      this.#notify()
    }
  }

  #judge(poolKey: string): PoolFacts {
    const pool = this.#pools.get(poolKey)
    if (pool === undefined) {
      return { verdicts: [] }
    }
    const refusal = refusePool(pool)
    if (refusal !== undefined) {
      return { verdicts: pool.spec.paused ? [pausedVerdict] : [stalledVerdict(refusal)] }
    }
    const { caches, agentRollout } = this.#options
    const pods = caches.pods.store.by(poolIndex, poolKey)
    const { namespace, name } = pool.metadata
    const live = caches.deployments.store.get(`${namespace}/${engineObjectName(name)}`)
    const desired =
      this.#autoscaler.desiredOf(poolKey) ??
      (pool.spec.paused ? (live?.spec?.replicas ?? 0) : pool.spec.replicas)
    const foreign = this.#foreign.get(poolKey)
    const view = viewRollout(live, pods, {
      desired,
      poolRevision: poolRevisionOf(pool, this.#fingerprint),
      foreignReplicas:
        foreign !== undefined && this.#now() - foreign.atMs < foreignMs
          ? foreign.replicas
          : undefined,
      agentRollout,
    })
    return {
      replicas: view.replicas,
      desiredReplicas: desired,
      updatedReplicas: view.updated,
      selector: Object.entries({ ...podSelectorOf(name), [labels.managedBy]: 'loraplex' })
        .map(([label, value]) => `${label}=${value}`)
        .join(','),
      verdicts: [
        ...(pool.spec.paused ? [pausedVerdict] : judgeRollout(view)),
        ...this.#templateVerdicts(pool),
      ],
    }
  }

  /** Planned again for another object only. */
  #templateVerdicts(pool: ModelPool): readonly Verdict[] {
    let verdicts = this.#ofTemplates.get(pool)
    if (verdicts === undefined) {
      const { settings, secret } = this.#options
      const { podTemplate } = planPool(pool, settings, secret).workload
      verdicts = judgeTemplate(ignoredTemplateFields(pool, podTemplate))
      this.#ofTemplates.set(pool, verdicts)
    }
    return verdicts
  }

  #countsOf(poolKey: string): ReturnType<AutoscalerOptions['replicasOf']> {
    const { caches } = this.#options
    const [live] = caches.deployments.store.by(poolIndex, poolKey)
    const pods = caches.pods.store.by(poolIndex, poolKey)
    const ready = pods.filter(
      (pod) => pod.metadata.deletionTimestamp === undefined && isPodReady(pod),
    )
    const activeAdapters = this.#links
      .of(poolKey)
      .reduce((sum, replica) => sum + replica.activeAdapters, 0)
    return { current: live?.spec?.replicas ?? 0, ready: ready.length, activeAdapters }
  }

  /** What engines hold back counts as waiting, wherever it waits. */
  #demandOf(poolKey: string): PoolDemand {
    const demand = this.#options.demandOf(poolKey)
    const inEngines = this.#links
      .of(poolKey)
      .reduce((sum, replica) => sum + replica.engineWaiting, 0)
    const held = Math.min(inEngines, demand.running)
    return { ...demand, waiting: demand.waiting + held, running: demand.running - held }
  }

  #scaled(poolKey: string, desired: number, words: string): void {
    this.#options.logger.info(
      { pool: poolKey, desired, words },
      'another number of replicas is wanted',
    )
    const pool = this.#pools.get(poolKey)
    if (pool !== undefined) {
      this.#tell(pool, 'Normal', 'Scaling', `${desired} replicas: ${words}.`)
    }
    this.#queue.add(poolKey)
  }

  #tell(pool: ModelPool, type: 'Normal' | 'Warning', reason: string, note: string): void {
    const { name, namespace, uid } = pool.metadata
    this.#options.events?.record({
      regarding: { apiVersion, kind: 'ModelPool', name, namespace, uid },
      type,
      reason,
      action: 'Reconcile',
      note,
    })
  }
}

/** For tools that wait: `Ready` alone would look like something that takes its time. */
const stalledVerdict = (message: string): Verdict => ({
  type: 'Stalled',
  status: 'True',
  reason: 'EngineNotMade',
  message,
})

const pausedVerdict: Verdict = {
  type: 'Progressing',
  status: 'False',
  reason: 'Paused',
  message: 'spec.paused is true: nothing of this pool is made, changed or scaled.',
}

function judgeTemplate(ignored: readonly string[]): readonly Verdict[] {
  return ignored.length === 0
    ? []
    : [
        {
          type: 'TemplateFieldsIgnored',
          status: 'True',
          reason: 'OwnedByPool',
          message: `These follow from other fields of the pool, and have no effect: ${firstOf(ignored)}.`,
        },
      ]
}

function demandUnknown({ reason, gateways }: Silence): Verdict {
  const who =
    reason === 'NoGateway'
      ? 'For a minute no gateway has told the controller'
      : `For a minute ready gateways (${firstOf(gateways)}) have not told the controller`
  return {
    type: 'DemandUnknown',
    status: 'True',
    reason,
    message: `${who} what is asked of this pool: no replica goes until that is known.`,
  }
}

function firstOf(names: readonly string[]): string {
  const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : ''
  return `${names.slice(0, mostNamed).join(', ')}${more}`
}

function isSame(left: ModelPool, right: ModelPool): boolean {
  return (
    left.metadata.uid === right.metadata.uid &&
    left.metadata.generation === right.metadata.generation
  )
}
