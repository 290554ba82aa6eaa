import { expect, test } from 'vitest'
import { burstyTenantsTape } from './bursty-tenants.ts'
import { scalingTapes } from './scaling-tapes.ts'

const tapes = scalingTapes(1, 0.1)
const rateOf = (name: string, from: number, to: number): number => {
  const tape = tapes.find((one) => one.name === name)?.tape ?? []
  return tape.filter(({ atMs }) => atMs >= from * 1000 && atMs < to * 1000).length / (to - from)
}

test('a seed gives the same tapes, another seed others', () => {
  expect(scalingTapes(1, 0.1).map(({ tape }) => tape.length)).toEqual(
    tapes.map(({ tape }) => tape.length),
  )
  expect(scalingTapes(2, 0.1)[0]?.tape[0]).not.toEqual(tapes[0]?.tape[0])
})

test('all are in order of time', () => {
  for (const { tape } of tapes) {
    expect(tape.every(({ atMs }, index) => atMs >= (tape[index - 1]?.atMs ?? 0))).toBe(true)
  }
})

test.each([
  { name: 'step × 4', from: 0, to: 600, rate: 14 },
  { name: 'step × 4', from: 600, to: 840, rate: 56 },
  { name: 'flash crowd', from: 602, to: 900, rate: 70 },
  { name: 'sawtooth', from: 570, to: 600, rate: 55 },
  { name: 'from zero', from: 0, to: 30, rate: 0 },
  { name: 'from zero', from: 30, to: 330, rate: 30 },
])('$name has $rate requests a second from $from to $to s', ({ name, from, to, rate }) => {
  expect(Math.abs(rateOf(name, from, to) - rate)).toBeLessThanOrEqual(0.08 * rate)
})

test('bursty tenants come in clumps and are mostly silent', () => {
  const tape = burstyTenantsTape({ tenants: 20, rate: 30, seconds: 6000, seed: 1 })
  const counts = new Map<string, number>()
  const busy = new Set<string>()
  for (const { tenant, atMs } of tape) {
    const second = `${Math.floor(atMs / 1000)}`
    counts.set(second, (counts.get(second) ?? 0) + 1)
    busy.add(`${tenant} ${Math.floor(atMs / 600_000)}`)
  }
  const rates = Array.from({ length: 6000 }, (_, second) => counts.get(String(second)) ?? 0)
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
  expect(mean).toBeGreaterThan(15)
  expect(mean).toBeLessThan(60)
  expect(variance / mean).toBeGreaterThan(3)
  // Windows of tenants begin anywhere, so that each touches two of the clock's.
  expect(busy.size / (20 * 10)).toBeLessThan(0.6)
})
