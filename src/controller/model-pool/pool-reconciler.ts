import { labels } from '../../api/cluster-names.ts'
import { keyOf } from '../../api/metadata.ts'
import type { ModelPool } from '../../api/model-pool.ts'
import { countReplicas, replicasAnnotation } from '../../core/replica-count.ts'
import {
  chooseTemplate,
  planRevisions,
  revisionsAnnotation,
  templateAnnotation,
  type AgentRollout,
} from '../../core/rollout.ts'
import { planScaleDown, type ScaleDownAction } from '../../core/scale-down.ts'
import type { DesiredObject, WorkloadSettings } from '../../core/workload-input.ts'
import { engineObjectName, poolSecretName } from '../../core/workload-names.ts'
import { canonical } from '../../core/pool-revision.ts'
import { isKubeError } from '../../resources/kubernetes/kube-api-error.ts'
import { done, type ReconcileOutcome } from '../../resources/kubernetes/reconcile-outcome.ts'
import type { KubeClient } from '../../resources/kubernetes/types.ts'
import { deploymentType, isPodReady, podType, secretType, type PodObject } from './kube-shapes.ts'
import { fieldManager, ObjectApplier } from './object-applier.ts'
import { planPool, refusePool, type PlannedPool } from './plan-pool.ts'
import { leavingAnnotation, type PodReplicas } from './pod-replicas.ts'
import { poolIndex, type PoolCaches } from './pool-caches.ts'
import { viewDeployment, viewPods, type DeploymentView } from './pool-view.ts'

export interface PoolReconcilerOptions {
  readonly client: KubeClient
  readonly caches: PoolCaches
  readonly replicas: PodReplicas
  readonly settings: WorkloadSettings
  readonly secret: Buffer
  readonly agentRollout: AgentRollout
  readonly poolOf: (key: string) => ModelPool | undefined
  /** Of the autoscaler; undefined where the spec says it. */
  readonly desiredOf: (key: string) => number | undefined
  /** Requests a second for a revision; undefined: it is neither promised nor asked for. */
  readonly rateOf: (key: string, revision: string) => number | undefined
  readonly onForeignReplicas: (key: string, replicas: number) => void
  readonly onStep: (pool: ModelPool, reason: string, note: string) => void
  /** Unix milliseconds. */
  readonly now: () => number
  /** False once another leads: an agent would not know that this one is late. */
  readonly mayAct: () => boolean
}

/** How soon a Secret is created again, to see whether it is there. */
const secretSeenMs = 60_000
const deletionCost = 'controller.kubernetes.io/pod-deletion-cost'
const lowestCost = '-2147483647'

/**
 * One pool: gather, plan, apply. Everything it decides on is read from the cluster, so it may end at any line (I12);
 * children go with their pool by owner references, so nothing waits for a finalizer.
 */
export class PoolReconciler {
  readonly #options: PoolReconcilerOptions
  readonly #applier: ObjectApplier
  /** When each Secret was last known to be there. */
  readonly #secrets = new Map<string, number>()

  constructor(options: PoolReconcilerOptions) {
    this.#options = options
    this.#applier = new ObjectApplier(options.client)
  }

  async reconcile(key: string, signal: AbortSignal): Promise<ReconcileOutcome> {
    const pool = this.#options.poolOf(key)
    if (pool === undefined) {
      this.#forget(key)
      return done
    }
    if (pool.spec.paused) {
      return done
    }
    const refusal = refusePool(pool)
    if (refusal !== undefined) {
      await this.#remove(key, signal)
      return { outcome: 'Stalled', reason: refusal }
    }
    const { settings, secret } = this.#options
    try {
      return await this.#apply(pool, planPool(pool, settings, secret), signal)
    } catch (error) {
      // A scale-down that was decided on what is no longer so: look again.
      if (isKubeError(error, 'Conflict')) {
        return { outcome: 'RequeueAfter', delayMs: 100 }
      }
      throw error
    }
  }

  async #apply(pool: ModelPool, plan: PlannedPool, signal: AbortSignal): Promise<ReconcileOutcome> {
    const key = keyOf(pool.metadata)
    const { caches, replicas, now } = this.#options
    const pods = caches.pods.store.by(poolIndex, key)
    const live = this.#liveDeployment(pool)
    const view = live === undefined ? undefined : viewDeployment(live, pods)
    for (const other of plan.workload.others) {
      await this.#applyOther(other, signal)
    }
    const desired = this.#options.desiredOf(key) ?? pool.spec.replicas
    const count = countReplicas(desired, view)
    if (count.foreign !== undefined) {
      this.#options.onForeignReplicas(key, count.foreign)
    }
    const action = this.#scaleDown(key, view, pods, count.foreign !== undefined, desired)
    const shrinks = action.action === 'Shrink'
    const kept = await this.#dropOldSecrets(pool, plan, view, pods, signal)
    const wrote = await this.#applier.apply(
      deploymentType,
      this.#deployment(plan, view, kept, shrinks ? action.to : count.replicas),
      live,
      signal,
      shrinks ? view?.resourceVersion : undefined,
    )
    if (wrote && shrinks) {
      this.#options.onStep(pool, 'ScaledDown', `From ${action.to + 1} replicas to ${action.to}.`)
    }
    await this.#createSecret(plan, pods, signal)
    await this.#step(pool, action, replicas, signal)
    return action.action === 'Wait' && action.untilMs !== undefined
      ? { outcome: 'RequeueAfter', delayMs: Math.max(100, Math.min(1000, action.untilMs - now())) }
      : done
  }

  #scaleDown(
    key: string,
    view: DeploymentView | undefined,
    pods: readonly PodObject[],
    isForeign: boolean,
    desired: number,
  ): ScaleDownAction {
    if (view === undefined || isForeign) {
      return { action: 'Nothing' }
    }
    const { replicas, now, rateOf } = this.#options
    return planScaleDown({
      desired,
      deployment: {
        replicas: view.replicas,
        poolRevision: view.poolRevision ?? '',
        isSettled: view.isSettled,
      },
      pods: viewPods(
        pods,
        (podKey) => replicas.get(podKey),
        (revision) => rateOf(key, revision),
      ),
      nowMs: now(),
    })
  }

  #deployment(
    plan: PlannedPool,
    view: DeploymentView | undefined,
    revisions: readonly string[],
    replicas: number,
  ): DesiredObject {
    const { deployment, podTemplate } = plan.workload
    const template = chooseTemplate(
      podTemplate,
      plan.poolRevision,
      view,
      this.#options.agentRollout,
    )
    return {
      ...deployment,
      metadata: {
        ...deployment.metadata,
        annotations: {
          ...deployment.metadata.annotations,
          [replicasAnnotation]: String(replicas),
          [revisionsAnnotation]: revisions.join(','),
          [templateAnnotation]: canonical(template),
        },
      },
      spec: { ...deployment.spec, replicas, template },
    }
  }

  async #applyOther(desired: DesiredObject, signal: AbortSignal): Promise<void> {
    const cache = this.#options.caches.others.get(desired.kind)
    if (cache !== undefined) {
      const { namespace, name } = desired.metadata
      const live = cache.reflector.store.get(`${namespace}/${name}`)
      await this.#applier.apply(cache.type, desired, live, signal)
    }
  }

  /** After the Deployment that names its revision: a Secret that nobody noted would never be found again. */
  async #createSecret(
    { workload }: PlannedPool,
    pods: readonly PodObject[],
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace, name } = workload.secret.metadata
    const id = `${namespace}/${name}`
    const { client, now } = this.#options
    const seenMs = now() - (this.#secrets.get(id) ?? Number.NEGATIVE_INFINITY)
    // Nobody watches Secrets; one that somebody deleted shows in pods that do not start.
    if (seenMs < secretSeenMs || (seenMs < Infinity && pods.every(isPodReady))) {
      return
    }
    try {
      await client.create(secretType, workload.secret, signal)
    } catch (error) {
      // What is there cannot be read, and need not be: its name stands for this pool's uid and its content.
      if (!isKubeError(error, 'AlreadyExists')) {
        throw error
      }
    }
    this.#secrets.set(id, now())
  }

  /** What the Deployment has to note. An old revision's Secret goes once nothing of it can start again. */
  async #dropOldSecrets(
    pool: ModelPool,
    plan: PlannedPool,
    view: DeploymentView | undefined,
    pods: readonly PodObject[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const noted = view?.revisions ?? []
    const ofPods = new Set(pods.map((pod) => pod.metadata.labels?.[labels.poolRevision] ?? ''))
    const { keep, drop } = planRevisions(plan.poolRevision, noted, ofPods)
    if (view?.isSettled !== true || view.poolRevision !== plan.poolRevision) {
      return [...drop, ...keep]
    }
    const { namespace } = pool.metadata
    for (const revision of drop) {
      const name = poolSecretName(pool.metadata.name, revision)
      await this.#options.client.delete(secretType, { namespace, name }, {}, signal)
      // Whoever goes back to that revision needs it again.
      this.#secrets.delete(`${namespace}/${name}`)
      this.#options.onStep(pool, 'OldRevisionRemoved', `Nothing of revision ${revision} runs.`)
    }
    return keep
  }

  async #step(
    pool: ModelPool,
    action: ScaleDownAction,
    replicas: PodReplicas,
    signal: AbortSignal,
  ): Promise<void> {
    const { namespace } = pool.metadata
    if (!this.#options.mayAct()) {
      return
    }
    switch (action.action) {
      case 'Mark':
        await this.#annotate(
          namespace,
          action.pod,
          new Date(this.#options.now()).toISOString(),
          signal,
        )
        this.#options.onStep(pool, 'ScalingDown', `${action.pod} is to go.`)
        return
      case 'Drain':
        replicas.get(`${namespace}/${action.pod}`)?.drain()
        return
      case 'Undo':
        await replicas.get(`${namespace}/${action.pod}`)?.undrain()
        await this.#annotate(namespace, action.pod, null, signal)
        this.#options.onStep(pool, 'ScaleDownUndone', `${action.pod} stays.`)
        return
      case 'Nothing':
      case 'Shrink':
      case 'Wait':
        return
      default:
        action satisfies never
    }
  }

  async #annotate(
    namespace: string,
    name: string,
    since: string | null,
    signal: AbortSignal,
  ): Promise<void> {
    const annotations = {
      [leavingAnnotation]: since,
      [deletionCost]: since === null ? null : lowestCost,
    }
    await this.#options.client.mergePatch(
      podType,
      { namespace, name },
      { metadata: { annotations } },
      { fieldManager },
      signal,
    )
  }

  /** A spec that no pods can be made of leaves none behind. */
  async #remove(key: string, signal: AbortSignal): Promise<void> {
    const { caches, client } = this.#options
    const live = caches.deployments.store.by(poolIndex, key)
    for (const { metadata } of live) {
      const { namespace = '', name, uid } = metadata
      await client.delete(
        deploymentType,
        { namespace, name },
        uid === undefined ? {} : { uid },
        signal,
      )
    }
    this.#forget(key)
  }

  #liveDeployment(pool: ModelPool) {
    const { namespace, name } = pool.metadata
    return this.#options.caches.deployments.store.get(`${namespace}/${engineObjectName(name)}`)
  }

  #forget(key: string): void {
    const [namespace = '', name = ''] = key.split('/')
    this.#applier.forget(namespace, engineObjectName(name))
  }
}
