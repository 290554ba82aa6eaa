import { UserError } from '../errors.ts'
import { FailureLog } from './failure-log.ts'
import { defaultGuard, GuardedLedger, type GuardOptions } from './guarded-ledger.ts'
import { LateLedger } from './late-ledger.ts'
import { MemoryLedger } from './memory-ledger.ts'
import type { Ledger } from './types.ts'

export interface LedgerPlace {
  /** `memory:`, `sqlite:PATH`, `redis[s]://…` or `postgres[ql]://…`. */
  readonly url: string
  /** Somebody has a budget: stores that may lose holds are refused. */
  readonly forBudgets: boolean
  /** How many gateways share the store now. */
  readonly gateways: () => number
  readonly guard?: Partial<GuardOptions>
  readonly log: (message: string) => void
}

/**
 * The ledger that a URL names. Shared stores come guarded, and may be away at the start. Drivers are loaded when they are
 * needed. @throws UserError for a URL that names none, and for a store that must not keep budgets.
 */
export async function openLedger(place: LedgerPlace): Promise<Ledger> {
  const { url } = place
  if (url === 'memory:') {
    return new MemoryLedger()
  }
  if (url.startsWith('sqlite:')) {
    const { SqliteLedger } = await import('./sqlite/sqlite-ledger.ts')
    return new SqliteLedger(url.slice('sqlite:'.length), Date.now, place.log)
  }
  const opener = openerOf(place)
  if (!URL.canParse(url)) {
    // Not printed: a password may be in it.
    throw new UserError('The URL of the store of limits is none.', 2)
  }
  const late = new LateLedger(opener)
  await late.begin()
  const failures = new FailureLog(place.log)
  return new GuardedLedger(late, {
    ...defaultGuard,
    gateways: place.gateways,
    onFailure: (error) => failures.note(error),
    ...place.guard,
  })
}

function openerOf({ url, forBudgets, log }: LedgerPlace): () => Promise<Ledger> {
  if (/^rediss?:\/\//.test(url)) {
    return async () => {
      const { RedisLedger } = await import('./redis/redis-ledger.ts')
      return RedisLedger.open({ url, forBudgets, log })
    }
  }
  if (/^postgres(ql)?:\/\//.test(url)) {
    return async () => {
      const { PostgresLedger } = await import('./postgres/postgres-ledger.ts')
      return PostgresLedger.open({ url, forBudgets, log })
    }
  }
  throw new UserError(
    'Limits are kept at memory:, sqlite:PATH, redis://HOST:PORT or postgres://HOST/DATABASE.',
    2,
  )
}
