import type { ResidencyState } from '../api/agent-protocol.ts'
import {
  withCondition,
  type Condition,
  type LoraAdapterStatus,
  type RevisionStatus,
} from '../api/condition.ts'
import { poolKeyOf, type LoraAdapter } from '../api/lora-adapter.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { revisionOf } from '../api/names.ts'
import type { QuotaGrant } from './adapter-quota.ts'
import { rankReplicas } from './placement.ts'
import { presentContentOf } from './present-content.ts'
import { quotaExceeded } from './quota-exceeded.ts'

/** What is known of an adapter's content for the present spec. */
export type Intake =
  | { readonly state: 'Pending'; readonly message: string }
  | { readonly state: 'FetchFailed'; readonly reason: string; readonly message: string }
  | {
      readonly state: 'Refused'
      readonly digest: string
      readonly reason: string
      readonly message: string
    }
  | {
      readonly state: 'Accepted'
      readonly digest: string
      readonly sizeBytes: number
      readonly rank: number
      readonly compatible: 'True' | 'Unknown'
      readonly notices: readonly string[]
    }

export interface ReplicaSnapshot {
  readonly name: string
  readonly ready: boolean
  /** Chosen to go: what it has is wanted elsewhere. */
  readonly isLeaving?: boolean
  readonly residencyOf: (revision: string) => ResidencyState
}

/** Everything the plan of one adapter depends on, gathered once. */
export interface AdapterSnapshot {
  readonly adapter: LoraAdapter
  readonly pool: ModelPool | undefined
  readonly mayAttach: boolean
  /** The adapter that holds the same name already. */
  readonly nameHolder: string | undefined
  /** What its tenant's quota leaves it; undefined: all that it asks for. */
  readonly quota?: QuotaGrant | undefined
  readonly intake: Intake
  readonly previous: LoraAdapterStatus | undefined
  readonly replicas: readonly ReplicaSnapshot[]
  /** What a cluster's autoscaler wants now; undefined where the spec alone says it. */
  readonly desiredReplicas?: number | undefined
  /** Where the pool's plan keeps a revision loaded; undefined: wherever it may be. */
  readonly placementOf?: ((revision: string) => RevisionPlacement | undefined) | undefined
  /** Every gateway that must know can route to this revision. */
  readonly isAcknowledged: (revision: string) => boolean
  readonly now: Date
}

/** What a plan by demand has for one revision; the same value for as long as nothing of it changes. */
export interface RevisionPlacement {
  readonly loadedOn: readonly string[]
  /** Replicas that have its files ready. */
  readonly onDisk: readonly string[]
  /** The host caches have no room for all the copies that are promised. */
  readonly isShort: boolean
}

/** What the catalogues of a pool's replicas have of one revision: all may fetch it, some keep it loaded. */
export interface WantedRevision {
  readonly revision: string
  readonly digest: string
  readonly sizeBytes: number
  readonly loadedOn: readonly string[]
  readonly onDisk: readonly string[]
  /** Copies that are promised, and the most that may be: between them demand decides. */
  readonly least: number
  readonly most: number
}

export interface AdapterPlan {
  readonly wanted: readonly WantedRevision[]
  /** A revision waits for a replica to judge it: a pool at zero gets one for that. */
  readonly isJudging: boolean
  readonly status: LoraAdapterStatus
}

interface Verdict {
  readonly status: Condition['status']
  readonly reason: string
  readonly message: string
}

/**
 * The whole decision about one adapter: which revisions its replicas should hold, which one callers get, and what its
 * status says. A candidate takes over only once it is routable (I2), and the one before serves until then.
 */
export function planAdapter(snapshot: AdapterSnapshot): AdapterPlan {
  const obstacle = findObstacle(snapshot)
  if (snapshot.pool === undefined || obstacle !== undefined) {
    const verdict = obstacle ?? { status: 'False', reason: 'PoolNotFound', message: '' }
    return {
      wanted: [],
      isJudging: false,
      status: buildStatus(
        snapshot,
        verdict.reason === quotaExceeded ? heldBack(snapshot) : [],
        { Ready: verdict },
        { routable: 0, wanted: 0 },
      ),
    }
  }
  const poolKey = poolKeyOf(snapshot.adapter)
  const candidate = candidateOf(snapshot, poolKey)
  const active = chooseActive(snapshot, activeBefore(snapshot, poolKey), candidate)
  const revisions: RevisionStatus[] = []
  if (active !== undefined) {
    revisions.push({ ...active, role: 'Active' })
  }
  if (candidate !== undefined && candidate.revision !== active?.revision) {
    revisions.push({ ...candidate, role: 'Candidate' })
  }
  const wanted = snapshot.adapter.spec.suspend ? [] : planResidence(snapshot, revisions)
  const status = judge(snapshot, revisions, wanted)
  const isJudging =
    revisions.at(-1)?.role === 'Candidate' &&
    !snapshot.adapter.spec.suspend &&
    status.conditions.every(({ type, status: is }) => type !== 'Compatible' || is !== 'False')
  return { wanted, isJudging, status }
}

/** Reasons for which nothing of this adapter is served, in the order in which they are told. */
const obstacles: readonly ((snapshot: AdapterSnapshot) => Verdict | undefined)[] = [
  ({ adapter, pool }) =>
    pool === undefined
      ? no(
          'PoolNotFound',
          `There is no ModelPool ${poolKeyOf(adapter)}. Create it, or correct spec.poolRefs.`,
        )
      : undefined,
  ({ adapter, mayAttach }) =>
    mayAttach
      ? undefined
      : no(
          'NotAllowedByPool',
          `ModelPool ${poolKeyOf(adapter)} does not take adapters of this namespace (spec.allowedNamespaces).`,
        ),
  ({ nameHolder }) =>
    nameHolder === undefined
      ? undefined
      : no(
          'NameConflict',
          `LoraAdapter ${nameHolder} is older and has the same model name. Give this one another spec.modelName.`,
        ),
  ({ quota }) => (quota?.excess === undefined ? undefined : no(quotaExceeded, quota.excess)),
]

function findObstacle(snapshot: AdapterSnapshot): Verdict | undefined {
  for (const find of obstacles) {
    const verdict = find(snapshot)
    if (verdict !== undefined) {
      return verdict
    }
  }
  return undefined
}

/** What is known of the content of one that is beyond its quota: how much room it needs, and what it was when there is room. */
function heldBack({ adapter, intake, previous }: AdapterSnapshot): readonly RevisionStatus[] {
  const content =
    intake.state === 'Accepted' ? intake : presentContentOf(previous, adapter.metadata.generation)
  return content === undefined
    ? []
    : [
        {
          revision: revisionOf(poolKeyOf(adapter), content.digest),
          digest: content.digest,
          role: 'Candidate',
        },
      ]
}

interface Content {
  readonly revision: string
  readonly digest: string
}

function candidateOf({ intake }: AdapterSnapshot, poolKey: string): Content | undefined {
  return intake.state === 'Accepted'
    ? { revision: revisionOf(poolKey, intake.digest), digest: intake.digest }
    : undefined
}

/** A revision is pool and digest: what was active on another pool was never checked against this base. */
function activeBefore({ previous }: AdapterSnapshot, poolKey: string): Content | undefined {
  const active = previous?.revisions.find((revision) => revision.role === 'Active')
  return active === undefined || active.revision !== revisionOf(poolKey, active.digest)
    ? undefined
    : { revision: active.revision, digest: active.digest }
}

/**
 * I2: callers get the candidate once enough replicas proved it. Where none has to hold it, the first one is taken as
 * accepted, and a later one still has to be proved while there is a replica to prove it on.
 */
function chooseActive(
  snapshot: AdapterSnapshot,
  before: Content | undefined,
  candidate: Content | undefined,
): Content | undefined {
  if (candidate === undefined || candidate.revision === before?.revision) {
    return before
  }
  const nobodyHasTo = hasNoReplicas(snapshot) || minCopiesOf(snapshot) === 0
  const nobodyCan = hasNoReplicas(snapshot) && snapshot.replicas.length === 0
  if (nobodyCan || (nobodyHasTo && before === undefined)) {
    return candidate
  }
  const routable = countRoutable(snapshot, candidate.revision)
  const ready = snapshot.replicas.filter((replica) => replica.ready).length
  const needed = Math.max(1, Math.min(minCopiesOf(snapshot), ready))
  return routable >= needed ? candidate : before
}

function minCopiesOf({ adapter, quota }: AdapterSnapshot): number {
  return quota?.minCopies ?? adapter.spec.residency.minCopies
}

function isOnDemand(snapshot: AdapterSnapshot): boolean {
  const isAsleep = snapshot.desiredReplicas === 0
  return minCopiesOf(snapshot) === 0 || isAsleep || hasNoReplicas(snapshot)
}

/** At zero for good: nobody will judge a revision there. A pool that scales wakes up for it. */
function hasNoReplicas({ pool, desiredReplicas }: AdapterSnapshot): boolean {
  return (
    pool !== undefined &&
    (pool.spec.scaling === undefined || desiredReplicas === undefined) &&
    pool.spec.replicas === 0 &&
    pool.spec.engine.endpoints.length === 0
  )
}

function countRoutable({ replicas }: AdapterSnapshot, revision: string): number {
  return replicas.filter((replica) => replica.residencyOf(revision).state === 'Routable').length
}

function planResidence(
  snapshot: AdapterSnapshot,
  revisions: readonly RevisionStatus[],
): readonly WantedRevision[] {
  const { adapter, replicas, intake } = snapshot
  const copies = Math.max(
    minCopiesOf(snapshot),
    adapter.spec.residency.maxCopies ?? replicas.length,
  )
  const sizeBytes =
    intake.state === 'Accepted' ? intake.sizeBytes : (snapshot.previous?.sizeBytes ?? 0)
  const onDemand = isOnDemand(snapshot)
  return revisions.map(({ revision, digest, role }) => {
    const placed = snapshot.placementOf?.(revision)
    const judged = role === 'Candidate' ? 1 : 0
    const all = onDemand ? judged : copies
    return {
      revision,
      digest,
      sizeBytes,
      loadedOn: placed?.loadedOn ?? rankReplicas(revision, replicas).slice(0, all),
      onDisk: placed?.onDisk ?? nowhere,
      least: onDemand ? judged : Math.max(minCopiesOf(snapshot), judged),
      most: Math.max(copies, judged),
    }
  })
}

const nowhere: readonly string[] = []

function judge(
  snapshot: AdapterSnapshot,
  revisions: readonly RevisionStatus[],
  wanted: readonly WantedRevision[],
): LoraAdapterStatus {
  const active = revisions.find((revision) => revision.role === 'Active')
  const newest = revisions.at(-1)
  const copies = {
    routable: active === undefined ? 0 : countRoutable(snapshot, active.revision),
    wanted:
      wanted.find(({ revision }) => revision === (active ?? newest)?.revision)?.loadedOn.length ??
      0,
  }
  const failure = newest === undefined ? undefined : findFailure(snapshot, newest.revision)
  const Fetched = judgeFetched(snapshot.intake)
  const Compatible = judgeCompatible(snapshot.intake, failure)
  const Resident = judgeResident(snapshot, newest, copies)
  const Ready = judgeReady(snapshot, { Fetched, Compatible, Resident }, active, newest)
  return buildStatus(snapshot, revisions, { Fetched, Compatible, Resident, Ready }, copies)
}

type Failure = Extract<ResidencyState, { state: 'Failed' }>

function findFailure(snapshot: AdapterSnapshot, revision: string): Failure | undefined {
  for (const replica of snapshot.replicas) {
    const residency = replica.residencyOf(revision)
    if (residency.state === 'Failed') {
      return residency
    }
  }
  const isAsleep = snapshot.desiredReplicas !== undefined && snapshot.replicas.length === 0
  return isAsleep ? failureBefore(snapshot, revision) : undefined
}

/** A replica's verdict outlives it, else a pool at zero would wake for a refused revision again and again. */
function failureBefore({ previous }: AdapterSnapshot, revision: string): Failure | undefined {
  const verdict = previous?.conditions.find(({ type }) => type === 'Compatible')
  return verdict?.status === 'False' && previous?.revisions.at(-1)?.revision === revision
    ? { state: 'Failed', reason: verdict.reason, message: verdict.message, permanent: true }
    : undefined
}

function judgeFetched(intake: Intake): Verdict {
  switch (intake.state) {
    case 'Pending':
      return { status: 'Unknown', reason: 'Fetching', message: intake.message }
    case 'FetchFailed':
      return no(intake.reason, intake.message)
    case 'Refused':
    case 'Accepted':
      return yes('Fetched', `sha256:${intake.digest}`)
    default:
      return intake satisfies never
  }
}

function judgeCompatible(intake: Intake, failure: Failure | undefined): Verdict {
  if (intake.state === 'Refused') {
    return no(intake.reason, intake.message)
  }
  if (intake.state !== 'Accepted') {
    return { status: 'Unknown', reason: 'NotChecked', message: '' }
  }
  if (failure?.permanent === true) {
    return no(failure.reason, failure.message)
  }
  return intake.compatible === 'True'
    ? yes('Compatible', intake.notices.join(' '))
    : {
        status: 'Unknown',
        reason: 'UnknownArchitecture',
        message: 'The base’s architecture is not known here; the canary decides.',
      }
}

function judgeResident(
  snapshot: AdapterSnapshot,
  newest: RevisionStatus | undefined,
  copies: { routable: number; wanted: number },
): Verdict {
  if (newest === undefined) {
    return { status: 'Unknown', reason: 'Waiting', message: '' }
  }
  const routable = countRoutable(snapshot, newest.revision)
  const failure = findFailure(snapshot, newest.revision)
  if (isOnDemand(snapshot) && newest.role === 'Active') {
    const words = `${routable} copies are routable; it is loaded on the first call.`
    return yes('OnDemand', withShortage(snapshot, words))
  }
  if (routable >= Math.max(1, Math.min(minCopiesOf(snapshot), snapshot.replicas.length))) {
    const words =
      routable > copies.wanted
        ? `${routable} copies are routable, ${copies.wanted} are kept so.`
        : `${routable} of ${copies.wanted} copies are routable.`
    return yes('Routable', withShortage(snapshot, words))
  }
  if (failure === undefined && snapshot.placementOf?.(newest.revision)?.isShort === true) {
    return no('HostCacheFull', noRoomWords(snapshot))
  }
  return failure === undefined
    ? no('Loading', `${routable} of ${copies.wanted} copies are routable.`)
    : no(failure.reason, failure.message)
}

function noRoomWords(snapshot: AdapterSnapshot): string {
  return `The host caches of the pool’s replicas (lora.maxCpuLoras) have no room for the ${minCopiesOf(snapshot)} copies of residency.minCopies beside those of other adapters: raise lora.maxCpuLoras, add replicas, or lower minCopies.`
}

/** `Ready` is folded from the others, in the order in which a person would mend them. */
function judgeReady(
  snapshot: AdapterSnapshot,
  others: { readonly Fetched: Verdict; readonly Compatible: Verdict; readonly Resident: Verdict },
  active: RevisionStatus | undefined,
  newest: RevisionStatus | undefined,
): Verdict {
  if (snapshot.adapter.spec.suspend) {
    return no('Suspended', 'spec.suspend is true.')
  }
  for (const verdict of [others.Fetched, others.Compatible, others.Resident]) {
    if (verdict.status === 'False') {
      const still =
        active === undefined || (active === newest && snapshot.intake.state === 'Accepted')
          ? ''
          : ` Revision ${active.revision.slice(0, 12)} still answers.`
      return no(verdict.reason, `${verdict.message}${still}`)
    }
  }
  if (snapshot.intake.state !== 'Accepted') {
    return no('Fetching', 'The source is being fetched and checked.')
  }
  if (active === undefined || active !== newest) {
    return no('Loading', 'The new revision is being proved.')
  }
  if (isOnDemand(snapshot)) {
    return yes('OnDemand', withShortage(snapshot, 'It is loaded on the first call.'))
  }
  return snapshot.isAcknowledged(active.revision)
    ? yes('Ready', `Revision ${active.revision.slice(0, 12)} answers.`)
    : no('WaitingForGateways', 'Not every gateway has said that it can route to the revision.')
}

function buildStatus(
  snapshot: AdapterSnapshot,
  revisions: readonly RevisionStatus[],
  verdicts: Readonly<Record<string, Verdict>>,
  copies: { readonly routable: number; readonly wanted: number },
): LoraAdapterStatus {
  const { adapter, intake, previous, now } = snapshot
  const observedGeneration = adapter.metadata.generation
  let conditions = (previous?.conditions ?? []).filter((condition) => condition.type in verdicts)
  for (const [type, verdict] of Object.entries(verdicts)) {
    conditions = [...withCondition(conditions, { type, ...verdict, observedGeneration }, now)]
  }
  const rank = intake.state === 'Accepted' ? intake.rank : previous?.rank
  const sizeBytes = intake.state === 'Accepted' ? intake.sizeBytes : previous?.sizeBytes
  return {
    observedGeneration,
    conditions,
    revisions,
    copies,
    ...(rank === undefined ? {} : { rank }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
  }
}

function withShortage({ quota }: AdapterSnapshot, words: string): string {
  return quota?.shortage === undefined ? words : `${words} ${quota.shortage}`
}

function yes(reason: string, message: string): Verdict {
  return { status: 'True', reason, message }
}

function no(reason: string, message: string): Verdict {
  return { status: 'False', reason, message }
}
