import { UserError } from '../../errors.ts'
import { MemoryUsage } from './memory-usage.ts'
import type { UsageStore } from './types.ts'

/** The store of usage records that a URL names: `memory:`, `sqlite:PATH` or `postgres[ql]://…`. Redis keeps none. @throws UserError */
export async function openUsage(url: string, log: (message: string) => void): Promise<UsageStore> {
  if (url === 'memory:') {
    return new MemoryUsage()
  }
  if (url.startsWith('sqlite:')) {
    const { SqliteUsage } = await import('./sqlite-usage.ts')
    return new SqliteUsage(url.slice('sqlite:'.length))
  }
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) {
    const { PostgresUsage } = await import('./postgres-usage.ts')
    return PostgresUsage.open({ url, log })
  }
  throw new UserError(
    'Usage records are kept at memory:, sqlite:PATH or postgres://HOST/DATABASE.',
    2,
  )
}
