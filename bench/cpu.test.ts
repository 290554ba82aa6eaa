import { spawn } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'
import { expect, onTestFinished, test, vi } from 'vitest'
import { patience } from '../test/support/eventually.ts'
import { parseStat, processTree, sampleTree } from './cpu.ts'

test('a command with spaces and brackets does not shift the fields', () => {
  const stat = parseStat(
    '42 (a) b (c)) S 7 42 42 0 -1 4194560 10 0 0 0 11 22 33 44 20 0 1 0 100 2000 55 18446744073709551615',
  )
  expect(stat).toEqual({ parent: 7, ticks: 11 + 22 + 33 + 44, rssPages: 55 })
})

test('a tree holds the children of children', async () => {
  const child = spawn('sh', ['-c', 'sleep 60 & wait'], { stdio: 'ignore', detached: true })
  const exit = once(child, 'exit')
  onTestFinished(async () => {
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await exit
  })
  await vi.waitFor(() => expect(processTree(child.pid ?? 0)).toHaveLength(2), patience)
})

test('CPU time grows while this process works and memory is that of a process', () => {
  const before = sampleTree(process.pid)
  const end = performance.now() + 100
  while (performance.now() < end) {
    // works
  }
  const after = sampleTree(process.pid)
  expect(after.cpuSeconds - before.cpuSeconds).toBeGreaterThan(0.02)
  expect(after.rssBytes).toBeGreaterThan(10_000_000)
})
