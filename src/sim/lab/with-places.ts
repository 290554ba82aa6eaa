import { EngineWindow } from '../../core/engine-window.ts'
import type { LabReplica } from './lab-replica.ts'
import type { LabRequest } from './lab-request.ts'
import { leastBy, sendTo } from './policies/choose.ts'
import { wait, type RoutePolicy, type RouteView } from './policy.ts'

/** How often an agent looks at its engine. */
const lookEveryMs = 500

export interface PlacesOptions {
  /** Requests that may be at one replica; absent: learned from what runs there, as gateways do. */
  readonly limit?: number
  /**
   * Prompt tokens that may be at one replica unread; absent: any. A burst of long prompts enters before the limit of
   * requests notices, and whoever comes next waits for all of it. Two steps' worth keep an engine busy.
   */
  readonly promptTokens?: number
  /** Who may go to any replica with a place and a slot, if the rule has no place for it. Absent: nobody. */
  readonly mayStray?: (request: LabRequest) => boolean
}

/**
 * A rule under which a request waits at the gateway while the replica that the rule chose has all it may have, so that who
 * is next is decided by the gateway's queue and not by the engine's.
 */
export function withPlaces(policy: RoutePolicy, options: PlacesOptions = {}): RoutePolicy {
  const { limit, promptTokens = Infinity, mayStray = () => false } = options
  const windows = new Map<number, EngineWindow>()
  let lookedMs = -Infinity
  const look = ({ nowMs, replicas }: RouteView): void => {
    if (limit === undefined && nowMs - lookedMs >= lookEveryMs) {
      lookedMs = nowMs
      for (const replica of replicas) {
        note(windowOf(replica), replica)
      }
    }
  }
  const windowOf = ({ index }: LabReplica): EngineWindow => {
    const window = windows.get(index) ?? new EngineWindow()
    windows.set(index, window)
    return window
  }
  const isFull = (replica: LabReplica): boolean =>
    replica.inFlight >= (limit ?? windowOf(replica).limit) ||
    replica.queuedPromptTokens >= promptTokens
  const hasRoomFor = (request: LabRequest) => (replica: LabReplica) =>
    !isFull(replica) &&
    (replica.slotsUsed < replica.slots ||
      request.adapter === undefined ||
      replica.inFlightOf(request.adapter) > 0)
  return {
    ...policy,
    route(request, view) {
      look(view)
      // Rules that remember what they sent are not asked in vain.
      if (view.replicas.every(isFull)) {
        return wait
      }
      const decided = policy.route(request, view)
      if (decided.choice === 'Load' || (decided.choice === 'Send' && !isFull(decided.to))) {
        return decided
      }
      return mayStray(request)
        ? sendTo(leastBy(view.replicas.filter(hasRoomFor(request)), ({ inFlight }) => inFlight))
        : wait
    },
  }
}

function note(window: EngineWindow, { model, inFlight }: LabReplica): void {
  const { running, waiting, deferred } = model.gauges
  window.note({ running, waiting: waiting + deferred }, inFlight)
}
