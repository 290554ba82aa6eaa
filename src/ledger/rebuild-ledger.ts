import { UserError } from '../errors.ts'
import type { KnownCounter } from './redis/redis-ledger.ts'

/**
 * Opens a shared store that is empty, new or flushed, with what is known to be used: the explicit word that a Redis without an
 * epoch waits for. False when it is open already. Other stores lose nothing without being told. @throws UserError, LedgerError
 */
export async function rebuildLedger(
  url: string,
  counters: readonly KnownCounter[],
): Promise<boolean> {
  if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UserError('Only limits in Redis (redis://HOST:PORT) are ever rebuilt.', 2)
  }
  const { RedisLedger } = await import('./redis/redis-ledger.ts')
  const ledger = await RedisLedger.open({ url, forBudgets: false })
  try {
    return await ledger.rebuild(counters)
  } finally {
    await ledger.close()
  }
}
