import { createRandom, cumulativeOf, drawIndex, exponential, type Random } from '../random.ts'
import type { Tape, TapeRequest } from '../tape.ts'
import { burstyArrivals, windowSeconds } from './bursty-arrivals.ts'
import { chatRequest } from './chat-request.ts'
import { clientCv } from './client-cv.ts'
import type { TenantPool } from './tenant-pool.ts'
import { tenantPools } from './tenant-pools.ts'
import { tenantRates } from './tenant-rates.ts'
import type { Workload } from './workload.ts'

/** Workloads of tenants as production has them, one a pool of ServeGen. */
export const tenants: readonly Workload[] = tenantPools.map((pool) => ({
  name: `tenants-${pool.name}`,
  summary: `${pool.clients} bursty tenants of which some ${pool.active} are active in any ten minutes; a few have most of the load`,
  source:
    'Y. Xiang et al., ServeGen, arXiv:2505.09999: figures of its published clients; lengths are of chats, a client is a tenant is an adapter',
  knobs: { adapters: pool.clients, rate: 60, seconds: 3600 },
  files: [],
  make: ({ knob, seed }) =>
    tenantTape(pool, {
      adapters: knob('adapters') ?? pool.clients,
      rate: knob('rate') ?? 1,
      seconds: knob('seconds') ?? 1,
      seed,
    }),
}))

interface TapeShape {
  /** More than the pool has clients: a quiet tail under them; fewer: the biggest. */
  readonly adapters: number
  /** Requests a second, mean over the tape. */
  readonly rate: number
  readonly seconds: number
  readonly seed: number
}

function tenantTape(pool: TenantPool, { adapters, rate, seconds, seed }: TapeShape): Tape {
  const random = createRandom(seed)
  const part = Math.min(1, adapters / pool.clients)
  const clients = Math.round(pool.clients * part)
  const windows = Math.ceil(seconds / windowSeconds)
  const rows = tenantRates({ ...pool, clients, active: pool.active * part }, windows, random)
  const tail = tailWeights(pool, clients, adapters)
  const tailSum = tail.reduce((sum, weight) => sum + weight, 0)
  const total = rows.flat().reduce((sum, weight) => sum + weight, 0) / windows + tailSum
  const tape: TapeRequest[] = []
  for (let client = 0; client < clients; client += 1) {
    const rates = rows.map((row) => ((row[client] ?? 0) / total) * rate)
    for (const atMs of burstyArrivals(random, rates, clientCv(pool, client, random), seconds)) {
      tape.push(chatRequest(random, atMs, `a${client}`))
    }
  }
  tape.push(...tailRequests(random, tail, (tailSum / total) * rate, clients, seconds))
  return tape.sort((left, right) => left.atMs - right.atMs)
}

/** Zipf's law with exponent 1 goes on below the smallest client, who is seldom there. */
function tailWeights(pool: TenantPool, clients: number, adapters: number): readonly number[] {
  const smallest = clients ** -pool.slope * (pool.active / pool.clients)
  return Array.from(
    { length: Math.max(0, adapters - clients) },
    (_, rank) => (smallest * clients) / (clients + rank + 1),
  )
}

function tailRequests(
  random: Random,
  weights: readonly number[],
  rate: number,
  first: number,
  seconds: number,
): readonly TapeRequest[] {
  const cumulative = cumulativeOf(weights)
  const requests: TapeRequest[] = []
  const gapMs = (): number => (rate > 0 ? (exponential(random) * 1000) / rate : Infinity)
  for (let atMs = gapMs(); atMs <= seconds * 1000; atMs += gapMs()) {
    requests.push(chatRequest(random, atMs, `a${first + drawIndex(random, cumulative)}`))
  }
  return requests
}
