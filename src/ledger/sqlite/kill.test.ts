import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { killedAmount, killedLines } from '../../../test/support/killed-counters.ts'
import type { Line } from '../types.ts'
import { SqliteLedger } from './sqlite-ledger.ts'

const script = join(import.meta.dirname, '../../../test/support/sqlite-ledger-process.ts')
const kills = 12

interface Told {
  readonly line: Line
  /** Settled, or noted of what never was. */
  used: number
}

/** What the process was told is done, by counter. */
function toldUse(log: string): ReadonlyMap<string, Told> {
  const holds = new Map<string, readonly number[]>()
  for (const entry of log.split('\n').slice(0, -1)) {
    const [word, id = '', ...used] = entry.split(' ')
    if (word !== 'full') {
      holds.set(id, used.map(Number))
    }
  }
  const told = new Map<string, Told>()
  for (const [id, used] of holds) {
    const [life = '', attempt] = id.split('-')
    for (const [index, line] of killedLines(life, Number(attempt)).entries()) {
      const known = told.get(line.key) ?? { line, used: 0 }
      known.used += used[index] ?? 0
      told.set(line.key, known)
    }
  }
  return told
}

function blockOf({ cap }: Line): number {
  return Math.max(killedAmount, cap === undefined ? 16 * killedAmount : cap / 100)
}

/** A life of the process, ended by SIGKILL once it has done so much; what it wrote into its log. */
async function killedAfter(lines: number, path: string, log: string, life: number) {
  const child = spawn(process.execPath, [script, path, log, String(life)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = once(child, 'exit')
  const read = (): string => {
    try {
      return readFileSync(log, 'utf8')
    } catch {
      return ''
    }
  }
  await eventually(() => read().split('\n').length).toBeGreaterThan(lines)
  child.kill('SIGKILL')
  await ended
  return read()
}

test(`${kills} times SIGKILL: nothing that was used is forgotten, at most a block is counted too much`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-kill-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ledger.db')
  const before = new Map<string, number>()
  const tooMuch = new Map<string, number>()
  let [calls, full] = [0, 0]
  for (let life = 1; life <= kills; life += 1) {
    const log = await killedAfter(200 * life, path, join(folder, `log-${life}`), life)
    const told = toldUse(log)
    const ledger = new SqliteLedger(path)
    const keys = [...told.keys()]
    const counted = await ledger.read(keys)
    // Its own clean end must not change anything.
    await ledger.close()
    for (const [index, key] of keys.entries()) {
      const { line, used } = told.get(key)!
      const known = (before.get(key) ?? 0) + used
      const value = counted[index]!.committed
      expect(value, key).toBeGreaterThanOrEqual(known)
      // Something may have been done, and not come into the log any more.
      expect(value - known, key).toBeLessThanOrEqual(blockOf(line) + killedAmount)
      expect(value, key).toBeLessThanOrEqual(line.cap ?? Number.MAX_SAFE_INTEGER)
      before.set(key, value)
      const name = key.split('|')[0]!
      tooMuch.set(name, Math.max(tooMuch.get(name) ?? 0, value - known))
    }
    calls += log.split('\n').length
    full += log.split('\n').filter((line) => line === 'full').length
  }
  const most = killedLines('', 0).map(
    (line) => `${line.key} ${tooMuch.get(line.key.split('|')[0]!)} (block ${blockOf(line)})`,
  )
  console.log(
    `${calls} calls, ${kills} kills; ${full} refusals; most counted too much: ${most.join(', ')}`,
  )
  expect(full).toBeGreaterThan(0)
})
