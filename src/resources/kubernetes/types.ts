/** Objects as they are on the wire: raw JSON, so that fields nobody here knows survive a round trip. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: KubeMetadata
}

export interface KubeMetadata {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly finalizers?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

/** A kind of object: where its collection is. `T` is what comes from there. */
export interface ResourceType<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string
  readonly version: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** Never there; carries `T`. */
  readonly shape?: T
}

export interface ObjectKey {
  readonly name: string
  /** Empty or absent for cluster-scoped kinds. */
  readonly namespace?: string
}

export interface ListOptions {
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface ListResult<T> {
  readonly items: readonly T[]
  readonly resourceVersion: string
}

export interface ApplyOptions {
  readonly fieldManager: string
  /** Takes fields from other managers. Only for objects that are ours. */
  readonly force?: boolean
  readonly subresource?: 'status' | 'scale'
}

export interface DeleteOptions {
  readonly uid?: string
  readonly resourceVersion?: string
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
}

/** The verbs of an API server. Every method throws `KubeApiError` and takes a signal. */
export interface KubeClient {
  /** Undefined where there is none. */
  get<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    signal?: AbortSignal,
  ): Promise<T | undefined>
  /** All pages. */
  list<T extends KubeObject>(
    type: ResourceType<T>,
    options?: ListOptions,
    signal?: AbortSignal,
  ): Promise<ListResult<T>>
  create<T extends KubeObject>(type: ResourceType<T>, object: T, signal?: AbortSignal): Promise<T>
  /** Server-side apply; `object` holds only the fields that are this manager's. */
  apply<T extends KubeObject>(
    type: ResourceType<T>,
    object: KubeObject,
    options: ApplyOptions,
    signal?: AbortSignal,
  ): Promise<T>
  mergePatch<T extends KubeObject>(
    type: ResourceType<T>,
    key: ObjectKey,
    patch: object,
    options?: { readonly subresource?: 'status' | 'scale'; readonly fieldManager?: string },
    signal?: AbortSignal,
  ): Promise<T>
  /** False where it was gone already. */
  delete(
    type: ResourceType,
    key: ObjectKey,
    options?: DeleteOptions,
    signal?: AbortSignal,
  ): Promise<boolean>
  close(): Promise<void>
}

/** What a reflector keeps: frozen objects without `managedFields`. Reads never wait. */
export interface Store<T extends KubeObject> {
  /** `namespace/name`, or the name alone. */
  get(key: string): T | undefined
  list(): readonly T[]
  /** Objects whose key function gave this value; see `Reflector`. */
  by(index: string, value: string): readonly T[]
  /** The first list is here. */
  readonly synced: boolean
  /** When the API server was last heard, for this kind; milliseconds of the injected monotonic clock. */
  readonly heardAtMs: number
}

export interface StoreChange<T extends KubeObject> {
  readonly key: string
  readonly before: T | undefined
  readonly after: T | undefined
}

/** Lists and watches one kind for ever, whatever happens to the connection. */
export interface Reflector<T extends KubeObject> {
  readonly store: Store<T>
  /** Called after the store has changed. A handler that throws is logged and stops nothing. Returns the unsubscribe. */
  onChange(handler: (change: StoreChange<T>) => void): () => void
  /** Resolves at the first sync. */
  start(signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** Writes only while it holds the Lease; see `resources/kubernetes/leader.ts`. */
export interface Leadership {
  /** Rises with every new holder; fences orders to agents (`DesiredRequest.term`). */
  readonly term: number
  /** Monotonic: false from the renew deadline on, before the Lease can be somebody else's. */
  mayWrite(): boolean
  /** Aborted when leadership is lost. */
  readonly signal: AbortSignal
}
