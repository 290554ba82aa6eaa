// How long one residency plan takes: a thousand adapters with Zipf demand on a hundred replicas whose host caches take a
// tenth of them, one plan after another as demand wanders; what replicas have follows the plan. CPU time of this thread.
//   node bin/run.mjs test/bars/residency-plan.ts [--adapters 1000] [--replicas 100] [--plans 40] [--noise 0.1]
import process from 'node:process'
import { parseArgs } from 'node:util'
import type { KeptCopies, ResidencyAsk } from '../../src/core/residency-ask.ts'
import { planMoves } from '../../src/core/residency-moves.ts'
import { randomFrom } from '../support/random-from.ts'

const barMs = 100

const { values } = parseArgs({
  options: {
    adapters: { type: 'string', default: '1000' },
    replicas: { type: 'string', default: '100' },
    plans: { type: 'string', default: '40' },
    noise: { type: 'string', default: '0.1' },
  },
})
const [adapters, replicas, plans, noise] = [
  Number(values.adapters),
  Number(values.replicas),
  Number(values.plans),
  Number(values.noise),
]
const random = randomFrom(6)
const has = Array.from({ length: replicas }, () => new Set<string>())
const hosts = has.map((held, at) => ({
  name: `models/llama-${at}`,
  isLeaving: false,
  capacity: Math.ceil(adapters / 10),
  holds: (revision: string) => held.has(revision),
}))
let copies: KeptCopies = new Map()
const took: number[] = []
let [loads, first] = [0, 0]
for (let at = 0; at < plans; at += 1) {
  const asks = demand()
  const before = process.threadCpuUsage()
  const moves = planMoves({
    asks,
    hosts,
    previous: copies,
    nowMs: at * 5000,
    isDemandKnown: true,
    residenceSeconds: 5,
  })
  const { user, system } = process.threadCpuUsage(before)
  took.push((user + system) / 1000)
  copies = moves.copies
  const now = apply()
  loads += now
  first = at === 0 ? now : first
}
const [cold = 0, ...warm] = took
const sorted = warm.toSorted((left, right) => left - right)
const [median = 0, most = 0] = [sorted[sorted.length >> 1], sorted.at(-1)]
const isKept = Math.max(cold, most) <= barMs
console.log(
  `residency plan, ${adapters} adapters x ${replicas} replicas: the first ${cold.toFixed(1)} ms, then ${median.toFixed(1)} ms (median), ${most.toFixed(1)} ms at most (bar ${barMs}: ${isKept ? 'kept' : 'MISSED'})`,
)
console.log(
  `loads: ${first} with the first plan, ${((loads - first) / (plans - 1)).toFixed(1)} with each later one, over all replicas; copies kept: ${[...copies.values()].reduce((sum, kept) => sum + kept.length, 0)}`,
)
process.exitCode = isKept ? 0 : 1

function demand(): readonly ResidencyAsk[] {
  return Array.from({ length: adapters }, (_, at) => {
    const rate = (50 / (at + 1)) * (1 - noise + 2 * noise * random())
    return { revision: `a${at}`, least: 1, most: replicas, rate, open: rate * 5 }
  })
}

/** Replicas load what they are told, and drop what they are not when the cache is full. */
function apply(): number {
  let news = 0
  const wanted = hosts.map(() => new Set<string>())
  const indexOf = new Map(hosts.map(({ name }, at) => [name, at]))
  for (const [revision, kept] of copies) {
    for (const { replica } of kept) {
      wanted[indexOf.get(replica) ?? 0]?.add(revision)
    }
  }
  for (const [at, held] of has.entries()) {
    for (const revision of wanted[at] ?? []) {
      news += held.has(revision) ? 0 : 1
      held.add(revision)
    }
    for (const revision of held) {
      if (held.size > (hosts[at]?.capacity ?? 0) && wanted[at]?.has(revision) !== true) {
        held.delete(revision)
      }
    }
  }
  return news
}
