import type { ReplicaView } from '../replica-view.ts'
import type { Ticket } from './ticket.ts'

/**
 * Requests that one replica runs more than another before a revision is brought to the other, too: an adapter that is not
 * yet active costs a replica about as much as four or five running requests (DESIGN 7).
 */
const spreadAtInFlight = 4

/** The replica with least to do that can take it now; a busy adapter is invited to one with much less to do. */
export function findPlace(views: readonly ReplicaView[], ticket: Ticket): ReplicaView | undefined {
  const { revision } = ticket
  let best: ReplicaView | undefined
  let idler: ReplicaView | undefined
  for (const view of views) {
    const placement = view.placementOf(revision)
    if (placement === 'Now') {
      if (
        !ticket.tried.has(view.engineProcess) &&
        !(ticket.isOnTrial && view.hasTrial) &&
        (best === undefined || view.inFlight < best.inFlight)
      ) {
        best = view
      }
    } else if (
      placement === 'NeedsSlot' &&
      (idler === undefined || view.inFlight < idler.inFlight)
    ) {
      idler = view
    }
  }
  if (
    revision !== undefined &&
    best !== undefined &&
    idler !== undefined &&
    best.inFlight - idler.inFlight >= spreadAtInFlight
  ) {
    idler.inviteIntoFreeSlot(revision)
  }
  return best
}
