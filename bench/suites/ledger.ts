import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { counterKey } from '../../src/ledger/counter-key.ts'
import { MemoryLedger } from '../../src/ledger/memory-ledger.ts'
import { SqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts'
import type { Hold, Ledger, Line } from '../../src/ledger/types.ts'
import { median } from '../statistics.ts'

export interface LedgerReport {
  readonly suite: 'ledger'
  /** CPU µs of one try and its settlement, a round each. */
  readonly rounds: Readonly<Record<string, readonly number[]>>
  readonly text: string
}

const tenants = 50
const used = [1, 300, 300, 300_000, 0, 300]
const dayMs = 86_400_000
/** Requests a tenant has room for: a little above what it makes, so that SQLite writes as often as it does near a cap. */
const roomFor = 20_000

/** As a gateway takes them: names are put together anew for every request. */
function holdOf(attempt: number, nowMs: number): Hold {
  const tenant = `tenant-${attempt % tenants}`
  const endsAtMs = nowMs + dayMs
  const flow = (amount: number, cap: number, ...name: readonly string[]): Line => ({
    key: counterKey(tenant, ...name),
    kind: 'Flow',
    class: 'Budget',
    amount,
    cap,
    endsAtMs,
  })
  return {
    id: `attempt-${attempt}`,
    expiresInMs: 10_000,
    lines: [
      flow(1, roomFor, 'requests', 'minute', '29384756'),
      flow(900, 300 * roomFor, 'tokens', 'minute', '29384756'),
      flow(900, 1_000 * roomFor, 'tokens', 'day', '2026-11-20'),
      flow(900_000, 1_000_000 * roomFor, 'money', 'month', '2026-11'),
      { ...flow(1, 1_000, 'concurrent'), kind: 'Lease', class: 'Rate', endsAtMs: 0 },
      flow(900, 300 * roomFor, 'key-7', 'tokens', 'minute', '29384756'),
    ],
  }
}

async function round(ledger: Ledger, from: number, requests: number): Promise<number> {
  const before = process.cpuUsage()
  for (let attempt = from; attempt < from + requests; attempt += 1) {
    const hold = holdOf(attempt, Date.now())
    await ledger.try(hold)
    await ledger.settle(hold.id, { used, exactness: 'Exact' })
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / requests
}

/** CPU of `try` and `settle` with six lines, in this process; the names' making is part of it. */
export async function runLedger(rounds: number, quick: boolean): Promise<LedgerReport> {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-bench-'))
  const ledgers = {
    memory: new MemoryLedger(),
    SQLite: new SqliteLedger(join(folder, 'ledger.db')),
  }
  const requests = quick ? 5_000 : 50_000
  const figures: Record<string, number[]> = { memory: [], SQLite: [] }
  try {
    let next = 0
    for (let done = -1; done < rounds; done += 1) {
      for (const [name, ledger] of Object.entries(ledgers)) {
        const cost = await round(ledger, next, requests)
        // The first one compiles the code.
        if (done >= 0) {
          figures[name]?.push(cost)
        }
      }
      next += requests
    }
  } finally {
    await Promise.all(Object.values(ledgers).map((ledger) => ledger.close()))
    rmSync(folder, { recursive: true })
  }
  const rows = Object.entries(figures).map(
    ([name, values]) =>
      `  ${name.padEnd(8)} ${median(values).toFixed(1)} [${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)}]`,
  )
  const title = `\nledger: CPU µs of a try and its settlement, six lines, ${tenants} tenants, ${requests} requests × ${rounds} rounds`
  return { suite: 'ledger', rounds: figures, text: [title, ...rows].join('\n') }
}
