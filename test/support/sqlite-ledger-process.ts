/** A ledger in SQLite at work, until it is killed: `PATH LOG SEED`. Each line of the log is something it was told is done. */
import { openSync, writeSync } from 'node:fs'
import process from 'node:process'
import { SqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts'
import { killedAmount, killedLines } from './killed-counters.ts'

const [path = '', log = '', seed = ''] = process.argv.slice(2)
const file = openSync(log, 'a')
const done = (...words: readonly (string | number)[]): void => {
  writeSync(file, `${words.join(' ')}\n`)
}
let state = Number(seed)
const random = (below: number): number => {
  state = (state * 1_103_515_245 + 12_345) % 2 ** 31
  return state % below
}

const ledger = new SqliteLedger(path)
for (let attempt = 0; ; attempt += 1) {
  const lines = killedLines(seed, attempt)
  const id = `${seed}-${attempt}`
  if ((await ledger.try({ id, lines, expiresInMs: 60_000 })).outcome === 'Refused') {
    done('full')
    continue
  }
  const used = lines.map(() => random(killedAmount + 1))
  if (random(3) === 0) {
    await ledger.renew(id, { used: used.map((value) => value >> 1), expiresInMs: 60_000 })
    done('noted', id, ...used.map((value) => value >> 1))
  }
  // Some are under way when the process dies.
  if (random(10) > 0) {
    await ledger.settle(id, { used, exactness: 'Exact' })
    done('settled', id, ...used)
  }
}
