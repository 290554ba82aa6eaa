import { createHash } from 'node:crypto'

/** Of a replica among a gateway's: another order for each gateway (rendezvous hashing). */
export function rankOf(gateway: string, replica: string): number {
  return createHash('sha256').update(`${gateway} ${replica}`).digest().readUInt32BE()
}
