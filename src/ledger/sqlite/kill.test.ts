import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { killedCounters } from '../../../test/support/killed-counters.ts'
import { SqliteLedger } from './sqlite-ledger.ts'

const script = join(import.meta.dirname, '../../../test/support/sqlite-ledger-process.ts')
const kills = 12

/** What the process was told is done: settled, or noted of what never was. */
function toldUse(log: string): readonly number[] {
  const holds = new Map<string, readonly number[]>()
  for (const line of log.split('\n').slice(0, -1)) {
    const [word, id = '', ...used] = line.split(' ')
    if (word !== 'full') {
      holds.set(id, used.map(Number))
    }
  }
  return killedCounters.map((_, index) =>
    [...holds.values()].reduce((sum, used) => sum + (used[index] ?? 0), 0),
  )
}

function blockOf({ cap }: (typeof killedCounters)[number]): number {
  return cap === undefined ? 16 * 40 : cap / 100
}

test(`${kills} times SIGKILL: nothing that was used is forgotten, at most a block is counted too much`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-kill-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ledger.db')
  const tooMuch = killedCounters.map(() => 0)
  let before = killedCounters.map(() => 0)
  let [calls, full] = [0, 0]
  for (let kill = 0; kill < kills; kill += 1) {
    const log = join(folder, `log-${kill}`)
    const child = spawn(process.execPath, [script, path, log, String(kill + 1)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const ended = once(child, 'exit')
    const lines = (): readonly string[] => {
      try {
        return readFileSync(log, 'utf8').split('\n')
      } catch {
        return []
      }
    }
    await eventually(() => lines().length).toBeGreaterThan(200 * (kill + 1))
    child.kill('SIGKILL')
    await ended

    const told = toldUse(readFileSync(log, 'utf8'))
    const ledger = new SqliteLedger(path)
    const after = (await ledger.read(killedCounters.map(({ key }) => key))).map(
      ({ committed }) => committed,
    )
    // Its own clean end must not change anything.
    await ledger.close()
    calls += lines().length
    full += lines().filter((line) => line === 'full').length
    for (const [index, counter] of killedCounters.entries()) {
      const known = (before[index] ?? 0) + (told[index] ?? 0)
      const counted = after[index] ?? 0
      expect(counted, counter.key).toBeGreaterThanOrEqual(known)
      // 40: what was done, and not written into the log any more.
      expect(counted - known, counter.key).toBeLessThanOrEqual(blockOf(counter) + 40)
      expect(counted, counter.key).toBeLessThanOrEqual(counter.cap ?? Number.MAX_SAFE_INTEGER)
      tooMuch[index] = Math.max(tooMuch[index] ?? 0, counted - known)
    }
    before = after
  }
  const most = killedCounters.map(
    (counter, index) => `${counter.key} ${tooMuch[index]} (block ${blockOf(counter)})`,
  )
  console.log(
    `${calls} calls, ${kills} kills; ${full} refusals; most counted too much: ${most.join(', ')}`,
  )
  expect(full).toBeGreaterThan(0)
})
