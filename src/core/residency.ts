import type { Want } from '../api/agent-protocol.ts'

/** What one replica knows of one revision. Times are milliseconds of one clock. */
export interface AdapterView {
  readonly revision: string
  /** Undefined: not in the catalogue (any more). */
  readonly want: Want | undefined
  /** Traffic asked for it less than a lease ago. */
  readonly leased: boolean
  /** What the engine's list says of its name. `Foreign`: there, from another path than ours. */
  readonly registration: 'None' | 'Ours' | 'Foreign'
  /** I2: the canary passed on this engine process and the revision was wanted ever since. */
  readonly proved: boolean
  /** Something of it may be in flight. */
  readonly held: boolean
  readonly failure: { readonly permanent: boolean; readonly retryAtMs: number } | undefined
  readonly lastUsedMs: number
  /** When the engine last read it: its place in vLLM's LRU. */
  readonly touchedMs: number
  readonly retiredAtMs: number
}

/** vLLM's LRU of adapters in host memory; an unload only forgets the name, and the weights stay as a ghost. */
export interface HostCacheView {
  /** `max_cpu_loras`. */
  readonly capacity: number
  /** Names that somebody else registered. */
  readonly foreign: number
  /** When each ghost was last read. */
  readonly ghostsTouchedMs: readonly number[]
}

export interface ResidencySnapshot {
  readonly nowMs: number
  readonly engineReady: boolean
  /** It may be told to end: vLLM 0.32 that is told so during a load, with nothing else to do, neither answers nor ends. */
  readonly draining: boolean
  /** The base no longer answers its sentinel questions as it did. */
  readonly baseChanged: boolean
  /** Something suspicious happened, so the sentinel has to be asked. */
  readonly sentinelDue: boolean
  /** There is another replica to serve meanwhile. */
  readonly canRestart: boolean
  /** A retired revision without traffic keeps its name so long. */
  readonly retiredIdleMs: number
  readonly hostCache: HostCacheView
  readonly adapters: readonly AdapterView[]
}

export type UnloadCause = 'Foreign' | 'Failed' | 'Room' | 'Idle'

export type ResidencyAction =
  | { readonly do: 'Load'; readonly revision: string }
  | { readonly do: 'Canary'; readonly revision: string }
  /** A short request that moves it to the young end of vLLM's LRU, so that a ghost goes instead. */
  | { readonly do: 'Touch'; readonly revision: string }
  /** Route no more to it; its name goes once nothing of it is in flight. */
  | { readonly do: 'Retire'; readonly revision: string }
  | { readonly do: 'Unload'; readonly revision: string; readonly because: UnloadCause }
  | { readonly do: 'AskBase' }
  | { readonly do: 'RestartEngine'; readonly because: 'BaseChanged' | 'Ghosts' }
  | { readonly do: 'Wait'; readonly untilMs: number | undefined }

export interface ResidencyPlan {
  readonly action: ResidencyAction
  /** Wanted, but everything in the host cache is wanted too. */
  readonly noRoom: readonly string[]
  readonly ghostsHigh: boolean
}

/** Ghosts above this part of the host cache are worth a restart (DESIGN 2.2). */
const ghostShare = 1 / 4

/** The one next thing to do. Called again after it was done: level-triggered, nothing is remembered between calls. */
export function planResidency(snapshot: ResidencySnapshot): ResidencyPlan {
  const { hostCache } = snapshot
  const ghostsHigh = hostCache.ghostsTouchedMs.length > hostCache.capacity * ghostShare
  if (!snapshot.engineReady) {
    return { action: { do: 'Wait', untilMs: undefined }, noRoom: [], ghostsHigh }
  }
  const { action, noRoom } = advanceOne(snapshot)
  if (snapshot.draining) {
    const rest = { do: 'Wait', untilMs: undefined } as const
    return { action: urgent(snapshot) ?? rest, noRoom, ghostsHigh }
  }
  const next =
    urgent(snapshot) ??
    action ??
    dropIdle(snapshot) ??
    (ghostsHigh && snapshot.canRestart
      ? ({ do: 'RestartEngine', because: 'Ghosts' } as const)
      : ({ do: 'Wait', untilMs: nextDeadlineMs(snapshot) } as const))
  return { action: next, noRoom, ghostsHigh }
}

function urgent(snapshot: ResidencySnapshot): ResidencyAction | undefined {
  if (snapshot.baseChanged) {
    return { do: 'RestartEngine', because: 'BaseChanged' }
  }
  if (snapshot.sentinelDue) {
    return { do: 'AskBase' }
  }
  const refused = snapshot.adapters.find(
    (adapter) => adapter.failure?.permanent === true && mayUnload(adapter),
  )
  return refused && { do: 'Unload', revision: refused.revision, because: 'Failed' }
}

/** Brings the most recently used adapter that is not routable yet one step nearer. */
function advanceOne(snapshot: ResidencySnapshot): {
  readonly action: ResidencyAction | undefined
  readonly noRoom: readonly string[]
} {
  const noRoom: string[] = []
  let action: ResidencyAction | undefined
  let room: Room | undefined
  for (const adapter of candidates(snapshot)) {
    if (adapter.registration === 'Ours') {
      action ??= { do: 'Canary', revision: adapter.revision }
    } else if (adapter.registration === 'Foreign') {
      action ??= adapter.held
        ? undefined
        : { do: 'Unload', revision: adapter.revision, because: 'Foreign' }
    } else {
      room ??= findRoom(snapshot)
      if (room === 'None') {
        noRoom.push(adapter.revision)
      } else if (room === 'Free') {
        action ??= { do: 'Load', revision: adapter.revision }
      } else if (room !== 'Later') {
        action ??= room
      }
    }
  }
  return { action, noRoom }
}

function candidates(snapshot: ResidencySnapshot): readonly AdapterView[] {
  return snapshot.adapters
    .filter(
      (adapter) =>
        isWanted(adapter) && !adapter.proved && (adapter.failure?.retryAtMs ?? 0) <= snapshot.nowMs,
    )
    .sort((left, right) => right.lastUsedMs - left.lastUsedMs)
}

/** Everything in the host cache that nobody wants in use, or something to do first, or time will tell, or no hope. */
type Room = 'Free' | 'Later' | 'None' | ResidencyAction

/**
 * A load beyond the capacity pushes out vLLM's least recently used adapter. That may be a ghost, never a registered one:
 * vLLM would read it again inside a decode step, and every stream of the replica would wait.
 */
function findRoom(snapshot: ResidencySnapshot): Room {
  const { capacity, foreign, ghostsTouchedMs } = snapshot.hostCache
  const registered = snapshot.adapters.filter((adapter) => adapter.registration !== 'None')
  if (registered.length + foreign + ghostsTouchedMs.length < capacity) {
    return 'Free'
  }
  const oldestFirst = registered.sort((left, right) => left.touchedMs - right.touchedMs)
  return ghostsTouchedMs.length > 0
    ? exposeGhost(oldestFirst, Math.min(...ghostsTouchedMs))
    : evict(oldestFirst)
}

/** Registered ones that are older than the oldest ghost would go before it. */
function exposeGhost(oldestFirst: readonly AdapterView[], ghostTouchedMs: number): Room {
  const [oldest] = oldestFirst
  if (oldest === undefined || oldest.touchedMs > ghostTouchedMs) {
    return 'Free'
  }
  return isWanted(oldest) || oldest.held ? { do: 'Touch', revision: oldest.revision } : give(oldest)
}

function evict(oldestFirst: readonly AdapterView[]): Room {
  const evictable = oldestFirst.filter((adapter) => !isWanted(adapter))
  const idle = evictable.find((adapter) => !adapter.held)
  if (idle !== undefined) {
    return give(idle)
  }
  const draining = evictable.some((adapter) => !adapter.proved)
  const [busy] = evictable
  if (busy === undefined) {
    return 'None'
  }
  return draining ? 'Later' : { do: 'Retire', revision: busy.revision }
}

/** Routing ends before the name goes, so that no request meets a name that is gone. */
function give(adapter: AdapterView): ResidencyAction {
  return adapter.proved
    ? { do: 'Retire', revision: adapter.revision }
    : { do: 'Unload', revision: adapter.revision, because: 'Room' }
}

function dropIdle(snapshot: ResidencySnapshot): ResidencyAction | undefined {
  const idle = snapshot.adapters.find(
    (adapter) =>
      isRetired(adapter) &&
      mayUnload(adapter) &&
      retiredUntilMs(snapshot, adapter) <= snapshot.nowMs,
  )
  return idle && { do: 'Unload', revision: idle.revision, because: 'Idle' }
}

function nextDeadlineMs(snapshot: ResidencySnapshot): number | undefined {
  const deadlines = snapshot.adapters.flatMap((adapter) => {
    if (isWanted(adapter) && !adapter.proved && adapter.failure !== undefined) {
      return [adapter.failure.retryAtMs]
    }
    return isRetired(adapter) && mayUnload(adapter) ? [retiredUntilMs(snapshot, adapter)] : []
  })
  const next = Math.min(...deadlines)
  return Number.isFinite(next) ? next : undefined
}

export function isWanted(adapter: Pick<AdapterView, 'want' | 'leased' | 'failure'>): boolean {
  const asked = adapter.want === 'Loaded' || (adapter.want !== undefined && adapter.leased)
  return asked && adapter.failure?.permanent !== true
}

function isRetired(adapter: AdapterView): boolean {
  return adapter.registration !== 'None' && adapter.want === undefined
}

function mayUnload(adapter: AdapterView): boolean {
  return adapter.registration !== 'None' && !adapter.held
}

function retiredUntilMs(snapshot: ResidencySnapshot, adapter: AdapterView): number {
  return Math.max(adapter.retiredAtMs, adapter.lastUsedMs) + snapshot.retiredIdleMs
}
