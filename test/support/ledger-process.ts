/** One gateway's ledger in a burst: `URL NAME TRIES LEASE_MS`. Says what it was granted; settles when told to. */
import process from 'node:process'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { LedgerError } from '../../src/ledger/ledger-error.ts'
import { PostgresLedger } from '../../src/ledger/postgres/postgres-ledger.ts'
import { RedisLedger } from '../../src/ledger/redis/redis-ledger.ts'
import { burstLines } from './burst-lines.ts'

const [url = '', name = '', tries = '', lease = ''] = process.argv.slice(2)
const ledger = url.startsWith('redis:')
  ? await RedisLedger.open({ url, forBudgets: true })
  : await PostgresLedger.open({ url, forBudgets: true })
const granted: string[] = []

/** As long as the store is away, the same call again: it is taken once. */
async function certainly<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof LedgerError)) {
        throw error
      }
      await delay(20)
    }
  }
}

async function burst(): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < Number(tries)) {
      const id = `${name}-${(next += 1)}`
      const hold = { id, lines: burstLines, expiresInMs: Number(lease) }
      const { outcome } = await certainly(() => ledger.try(hold))
      if (outcome === 'Granted') {
        granted.push(id)
      }
      console.log(outcome)
    }
  }
  await Promise.all(Array.from({ length: 4 }, worker))
  console.log('done')
}

/** All but some, which it leaves behind as a killed one would. */
async function settle(): Promise<void> {
  for (const id of granted.slice(3)) {
    await certainly(() => ledger.settle(id, { used: [1, 10], exactness: 'Exact' }))
  }
  console.log(`settled ${Math.max(0, granted.length - 3)}`)
}

console.log('ready')
for await (const command of createInterface({ input: process.stdin })) {
  await (command === 'burst' ? burst() : settle())
}
process.exit(0)
