import type { RedisConnection } from './redis-connection.ts'

const needed: Readonly<Record<string, string>> = {
  appendonly: 'yes',
  appendfsync: 'always',
  'maxmemory-policy': 'noeviction',
}

/**
 * Why this server may lose holds that it granted, in words; undefined if it keeps them through a crash. A replica that takes
 * over may lack the last writes whatever the settings say: nothing tells us, so budgets want one server, or Postgres.
 */
export async function durabilityProblem(redis: RedisConnection): Promise<string | undefined> {
  let settings: Readonly<Record<string, string>>
  try {
    settings = {
      ...(await redis.settings('append*')),
      ...(await redis.settings('maxmemory-policy')),
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return `Redis does not say whether it keeps what it is told (CONFIG GET: ${reason}).\nAllow this user CONFIG GET, or keep budgets in Postgres.`
  }
  const wrong = Object.entries(needed).filter(([name, value]) => settings[name] !== value)
  if (wrong.length === 0) {
    return undefined
  }
  const found = wrong.map(([name]) => `${name} is ${settings[name] ?? 'unknown'}`).join(', ')
  const wanted = wrong.map(([name, value]) => `${name} ${value}`).join(', ')
  return `This Redis may forget budgets: ${found}.\nSet ${wanted}, or keep budgets in Postgres.`
}
