import { createHash } from 'node:crypto'

type Named = { readonly name: string; readonly isLeaving?: boolean }

/**
 * Replicas in the order in which they should hold a revision: rendezvous hashing, so that a replica that comes or goes
 * moves only its own share; one that is leaving comes last. Ten thousand revisions on twenty replicas are asked for at
 * every pass: what was worked out for the same replicas is kept, and each name is digested once, not once a pair.
 */
export function rankReplicas(revision: string, replicas: readonly Named[]): readonly string[] {
  if (replicas.length < 2) {
    return replicas.map(({ name }) => name)
  }
  const order = orderOf(replicas)
  const known = order.ranks.get(revision)
  if (known !== undefined) {
    return known
  }
  const key = wordOf(revision)
  const { names, words } = order
  // Score and place in one number: typed arrays are sorted without a call a pair.
  const scores = Float64Array.from(words, (word, at) => mix(key ^ word) * places + at)
  for (const at of order.leaving) {
    scores[at] = (scores[at] ?? 0) + last
  }
  const ranked = Array.from(scores.sort(), (score) => names[score % places] ?? '')
  order.ranks.set(revision, ranked)
  return ranked
}

/** By name: the order in which replicas are given makes no difference. */
interface Order {
  readonly names: readonly string[]
  readonly words: readonly number[]
  readonly leaving: readonly number[]
  readonly ranks: Map<string, readonly string[]>
}

const places = 2 ** 16
/** Above every score: 32 bits of hash and 16 of place. */
const last = 2 ** 48

const maxSets = 16
const maxRevisions = 50_000

/** By the set of replicas; a function of its arguments still, only faster. */
const kept = new Map<string, Order>()
const sets = new WeakMap<readonly Named[], Order>()

function orderOf(replicas: readonly Named[]): Order {
  const near = sets.get(replicas)
  if (near !== undefined && near.ranks.size < maxRevisions) {
    return near
  }
  const set = replicas
    .map(({ name, isLeaving }) => `${name}${isLeaving === true ? '-' : ''}`)
    .join('\0')
  const known = kept.get(set)
  const order = known !== undefined && known.ranks.size < maxRevisions ? known : newOrder(replicas)
  kept.delete(set)
  kept.set(set, order)
  for (const oldest of kept.keys()) {
    if (kept.size <= maxSets) {
      break
    }
    kept.delete(oldest)
  }
  sets.set(replicas, order)
  return order
}

function newOrder(replicas: readonly Named[]): Order {
  const byName = replicas.toSorted((left, right) => (left.name < right.name ? -1 : 1))
  return {
    names: byName.map(({ name }) => name),
    words: byName.map(({ name }) => wordOf(name)),
    leaving: byName.flatMap(({ isLeaving }, at) => (isLeaving === true ? [at] : [])),
    ranks: new Map(),
  }
}

function wordOf(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32LE(0)
}

/** The finaliser of MurmurHash3 (A. Appleby, public domain): every bit of the input moves half of those of the result. */
function mix(word: number): number {
  let bits = word
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return (bits ^ (bits >>> 16)) >>> 0
}
