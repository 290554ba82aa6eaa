import { normal, type Random } from '../random.ts'
import type { TenantPool } from './tenant-pool.ts'

const bigClients = 5
/** A log-normal whose p90 is four times its median, as clients' CVs are in all pools. */
const spread = Math.log(4) / 1.2816
/** Beyond it a tape holds nothing but one burst of that client. */
const mostCv = 15

/** Coefficient of variation of a client's gaps; big clients' are near those of the whole pool weighted by rate. */
export function clientCv(pool: TenantPool, rank: number, random: Random): number {
  const stray = normal(random)
  const cv =
    rank < bigClients
      ? pool.bigCv * Math.exp(0.2 * stray)
      : pool.medianCv * Math.exp(spread * stray)
  return Math.min(mostCv, Math.max(0.5, cv))
}
