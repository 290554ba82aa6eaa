import { isDeepStrictEqual } from 'node:util'
import type { ResidencyState } from '../../api/agent-protocol.ts'
import { planAdapter, type AdapterPlan, type AdapterSnapshot } from '../../core/adapter-plan.ts'

interface Known {
  readonly parts: readonly unknown[]
  readonly residencies: readonly ResidencyState[]
  readonly acknowledged: readonly boolean[]
  readonly placements: readonly unknown[]
  readonly plan: AdapterPlan
}

/**
 * The plan of each adapter, made anew only when something it depends on has changed: of ten thousand adapters an event
 * concerns one.
 */
export class AdapterPlans {
  readonly #known = new Map<string, Known>()

  /** @param group the same value for as long as the same replicas are ready and leaving. */
  of(key: string, snapshot: AdapterSnapshot, group: unknown): AdapterPlan {
    const parts = partsOf(snapshot, group)
    const known = this.#known.get(key)
    if (known !== undefined && isSame(known, parts, snapshot)) {
      return known.plan
    }
    const made = planAdapter(snapshot)
    const plan = keepEqual(made, snapshot, known?.plan)
    this.#known.set(key, {
      parts,
      plan,
      residencies: residenciesOf(plan, snapshot),
      placements: plan.status.revisions.map(({ revision }) => snapshot.placementOf?.(revision)),
      acknowledged: plan.status.revisions.map(({ revision }) => snapshot.isAcknowledged(revision)),
    })
    return plan
  }

  retain(adapterKeys: { has(key: string): boolean }): void {
    for (const key of this.#known.keys()) {
      if (!adapterKeys.has(key)) {
        this.#known.delete(key)
      }
    }
  }
}

/** Everything but what replicas and gateways say of its revisions, and the time, which only stamps what changed. */
function partsOf(snapshot: AdapterSnapshot, group: unknown): readonly unknown[] {
  const { adapter, pool, mayAttach, nameHolder, intake, previous, desiredReplicas } = snapshot
  const { excess, minCopies, shortage } = snapshot.quota ?? {}
  const quota = [excess, minCopies, shortage]
  return [adapter, pool, mayAttach, nameHolder, intake, previous, desiredReplicas, group, ...quota]
}

function isSame(known: Known, parts: readonly unknown[], snapshot: AdapterSnapshot): boolean {
  if (!known.parts.every((part, at) => part === parts[at])) {
    return false
  }
  let at = 0
  for (const [place, { revision }] of known.plan.status.revisions.entries()) {
    if (
      known.acknowledged[place] !== snapshot.isAcknowledged(revision) ||
      known.placements[place] !== snapshot.placementOf?.(revision)
    ) {
      return false
    }
    for (const replica of snapshot.replicas) {
      if (known.residencies[at] !== replica.residencyOf(revision)) {
        return false
      }
      at += 1
    }
  }
  return true
}

function residenciesOf(plan: AdapterPlan, snapshot: AdapterSnapshot): readonly ResidencyState[] {
  return plan.status.revisions.flatMap(({ revision }) =>
    snapshot.replicas.map((replica) => replica.residencyOf(revision)),
  )
}

/** What came out as before stays the same value: whoever compares is done at once, and nothing is held twice. */
function keepEqual(
  made: AdapterPlan,
  { previous }: AdapterSnapshot,
  before: AdapterPlan | undefined,
): AdapterPlan {
  const wanted = isDeepStrictEqual(before?.wanted, made.wanted) ? before?.wanted : made.wanted
  const status =
    previous !== undefined && isDeepStrictEqual(previous, made.status) ? previous : made.status
  return { ...made, wanted: wanted ?? made.wanted, status }
}
