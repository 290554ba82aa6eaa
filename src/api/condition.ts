/** A condition as Kubernetes has it. `Ready` is folded from the others in a fixed order; there is no phase. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  /** CamelCase. */
  readonly reason: string
  /** For people; at most 1 kB, without secrets and upstream text. */
  readonly message: string
  readonly observedGeneration: number
  /** ISO 8601; changes only when `status` does. */
  readonly lastTransitionTime: string
}

export interface RevisionStatus {
  /** Opaque: a function of the pool and the digest. */
  readonly revision: string
  readonly digest: string
  /** `Active` is what callers get; `Candidate` is being proved, or waits for room in its tenant's quota. */
  readonly role: 'Active' | 'Candidate'
}

interface CommonStatus {
  readonly observedGeneration: number
  readonly conditions: readonly Condition[]
}

export interface LoraAdapterStatus extends CommonStatus {
  readonly revisions: readonly RevisionStatus[]
  readonly rank?: number
  readonly sizeBytes?: number
  readonly copies: { readonly routable: number; readonly wanted: number }
}

export interface ModelPoolStatus extends CommonStatus {
  readonly replicas: number
  readonly readyReplicas: number
  /** Replicas with the pods that the present spec asks for. */
  readonly updatedReplicas?: number
  /** What `scaling`, or `replicas`, comes to; in a cluster only. */
  readonly desiredReplicas?: number
  /** Label selector of the replica pods, as text: an autoscaler on `/scale` reads it. */
  readonly selector?: string
  readonly engine?: { readonly version: string; readonly simulated: boolean }
  /** What the pool's own use says about its spec; there once enough was seen. */
  readonly advice?: { readonly maxLoras: number; readonly message: string }
  readonly adapters: { readonly routable: number; readonly wanted: number }
}

export interface ModelTenantStatus extends CommonStatus {
  readonly namespaces: readonly string[]
  readonly adapters: number
  readonly keys: number
}

export interface TenantKeyStatus extends CommonStatus {
  readonly tenant?: string
}

export interface StatusByKind {
  readonly ModelPool: ModelPoolStatus
  readonly LoraAdapter: LoraAdapterStatus
  readonly ModelTenant: ModelTenantStatus
  readonly TenantKey: TenantKeyStatus
}

/** Sets one condition in a list: `lastTransitionTime` moves only when the status does. */
export function withCondition(
  conditions: readonly Condition[],
  next: Omit<Condition, 'lastTransitionTime'>,
  now: Date,
): readonly Condition[] {
  const previous = conditions.find((condition) => condition.type === next.type)
  const lastTransitionTime =
    previous?.status === next.status ? previous.lastTransitionTime : now.toISOString()
  const condition: Condition = { ...next, message: truncate(next.message), lastTransitionTime }
  return previous === undefined
    ? [...conditions, condition]
    : conditions.map((other) => (other.type === next.type ? condition : other))
}

const maxMessageLength = 1024

function truncate(message: string): string {
  return message.length <= maxMessageLength ? message : `${message.slice(0, maxMessageLength - 1)}…`
}
