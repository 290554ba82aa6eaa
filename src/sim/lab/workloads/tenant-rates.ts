import { normal, type Random } from '../random.ts'
import type { TenantPool } from './tenant-pool.ts'

interface Client {
  readonly base: number
  /** Part of the windows in which it has requests. */
  readonly activity: number
  stray: number
  isActive: boolean
}

/**
 * Relative rates of a pool's clients, a row a window of ten minutes: Zipf's law with a heavier first client; each rate
 * strays around its base as an AR(1) process of its logarithm; the smaller a client, the more windows it sits out.
 */
export function tenantRates(
  pool: TenantPool,
  windows: number,
  random: Random,
): readonly (readonly number[])[] {
  const clients = clientsOf(pool, random)
  return Array.from({ length: windows }, () =>
    clients.map((client) => {
      advance(client, pool, random)
      return client.isActive ? client.base * Math.exp(pool.drift * client.stray) : 0
    }),
  )
}

function clientsOf(pool: TenantPool, random: Random): readonly Client[] {
  const factor = activityFactor(pool)
  return Array.from({ length: pool.clients }, (_, rank) => {
    const activity = activityOf(rank, factor)
    return {
      base: (rank + 1) ** -pool.slope * (rank === 0 ? pool.firstFactor : 1),
      activity,
      stray: normal(random),
      isActive: random.next() < activity,
    }
  })
}

function advance(client: Client, { memory }: TenantPool, random: Random): void {
  client.stray = memory * client.stray + Math.sqrt(1 - memory * memory) * normal(random)
  if (random.next() >= memory) {
    client.isActive = random.next() < client.activity
  }
}

function activityOf(rank: number, factor: number): number {
  return Math.min(1, factor / Math.sqrt(rank + 1))
}

/** So that as many are active as the pool has in a window on average. */
function activityFactor({ clients, active }: TenantPool): number {
  let low = 0
  let high = Math.sqrt(clients)
  while (high - low > 1e-6) {
    const middle = (low + high) / 2
    let sum = 0
    for (let rank = 0; rank < clients; rank += 1) {
      sum += activityOf(rank, middle)
    }
    if (sum < active) {
      low = middle
    } else {
      high = middle
    }
  }
  return high
}
