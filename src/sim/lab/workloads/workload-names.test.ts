import { describe, expect, it } from 'vitest'
import type { Tape } from '../tape.ts'
import { workloads } from './workload-names.ts'
import type { Knob, Workload } from './workload.ts'

/** Those that need no recorded trace. */
const made = workloads.filter(({ files }) => files.length === 0)

function tapeOf(workload: Workload, given: Partial<Record<Knob, number>>, seed = 1): Tape {
  const knob = (name: Knob): number | undefined => {
    const usual = workload.knobs[name]
    return given[name] ?? (typeof usual === 'number' ? usual : undefined)
  }
  return workload.make({ knob, files: [], seed })
}

function named(name: string): Workload {
  const found = workloads.find((workload) => workload.name === name)
  if (found === undefined) {
    throw new Error(`no workload ${name}`)
  }
  return found
}

function partOf(tape: Tape, adapter: string): number {
  return tape.filter((entry) => entry.adapter === adapter).length / tape.length
}

const short = { rate: 20, seconds: 120 }

describe.each(made.map((workload) => [workload.name, workload] as const))('%s', (_, workload) => {
  it('gives the same tape for the same seed, another for another', () => {
    expect(tapeOf(workload, short, 4)).toEqual(tapeOf(workload, short, 4))
    expect(tapeOf(workload, short, 4)).not.toEqual(tapeOf(workload, short, 5))
  })

  it('is in order, within its time, with lengths of at least one token', () => {
    const tape = tapeOf(workload, short)
    const times = tape.map(({ atMs }) => atMs)
    expect(times).toEqual([...times].sort((left, right) => left - right))
    expect(times.at(-1)).toBeLessThanOrEqual(120_000)
    expect(tape.every((entry) => entry.inputTokens >= 1 && entry.outputTokens >= 1)).toBe(true)
  })

  it('has a summary and a source', () => {
    expect(workload.summary).not.toBe('')
    expect(workload.source).not.toBe('')
  })
})

describe('rates', () => {
  it.each(['zipf', 's-lora', 'llm-d-15', 'flip'])('%s comes as often as asked', (name) => {
    const tape = tapeOf(named(name), { rate: 50, seconds: 400 })
    expect(Math.abs(tape.length / 400 / 50 - 1)).toBeLessThan(0.03)
  })
})

describe('s-lora', () => {
  it('gives the top one of 100 adapters 63 % at α 0.1, and one in a hundred at α 1', () => {
    const shape = { rate: 100, seconds: 300, adapters: 100 }
    expect(partOf(tapeOf(named('s-lora'), { ...shape, alpha: 0.1 }), 'a0')).toBeCloseTo(0.63, 1)
    expect(partOf(tapeOf(named('s-lora'), { ...shape, alpha: 1 }), 'a0')).toBeCloseTo(0.01, 2)
  })

  it('has 8 to 512 tokens in and out', () => {
    const tape = tapeOf(named('s-lora'), { rate: 100, seconds: 300 })
    const lengths = tape.flatMap(({ inputTokens, outputTokens }) => [inputTokens, outputTokens])
    expect(Math.min(...lengths)).toBe(8)
    expect(Math.max(...lengths)).toBe(512)
  })

  it('has gaps with the CV asked for', () => {
    const tape = tapeOf(named('s-lora'), { rate: 50, seconds: 1000, cv: 4 })
    const gaps = tape.slice(1).map(({ atMs }, at) => atMs - (tape[at]?.atMs ?? 0))
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
    expect(Math.abs(Math.sqrt(variance) / mean / 4 - 1)).toBeLessThan(0.1)
  })
})

describe('llm-d-15', () => {
  it('gives five adapters each 12, 6 and 2 % of the requests, 1,024 tokens in and out', () => {
    const tape = tapeOf(named('llm-d-15'), { rate: 100, seconds: 300 })
    expect(partOf(tape, 'a0')).toBeCloseTo(0.12, 1)
    expect(partOf(tape, 'a4')).toBeCloseTo(0.12, 1)
    expect(partOf(tape, 'a7') / partOf(tape, 'a0')).toBeCloseTo(0.5, 1)
    expect(partOf(tape, 'a14')).toBeCloseTo(0.02, 2)
    expect(new Set(tape.map(({ inputTokens }) => inputTokens))).toEqual(new Set([1024]))
  })
})

describe('flip', () => {
  it('makes the hottest adapter the coldest in every other period', () => {
    const tape = tapeOf(named('flip'), {
      adapters: 10,
      rate: 50,
      seconds: 300,
      zipf: 1,
      'period-seconds': 100,
    })
    const between = (from: number, to: number): Tape =>
      tape.filter(({ atMs }) => atMs >= from * 1000 && atMs < to * 1000)
    for (const [from, hot, cold] of [
      [0, 'a0', 'a9'],
      [100, 'a9', 'a0'],
      [200, 'a0', 'a9'],
    ] as const) {
      const period = between(from, from + 100)
      expect(partOf(period, hot)).toBeCloseTo(0.34, 1)
      expect(partOf(period, cold)).toBeCloseTo(0.034, 1)
    }
  })
})

describe('flash-crowd', () => {
  it('has five times the load two seconds after a third of the tape, for a minute', () => {
    const tape = tapeOf(named('flash-crowd'), { rate: 40, seconds: 300 })
    const perSecond = (from: number, to: number): number =>
      tape.filter(({ atMs }) => atMs >= from * 1000 && atMs < to * 1000).length / (to - from)
    expect(Math.abs(perSecond(0, 100) / 40 - 1)).toBeLessThan(0.1)
    expect(Math.abs(perSecond(102, 162) / 200 - 1)).toBeLessThan(0.1)
    expect(Math.abs(perSecond(163, 300) / 40 - 1)).toBeLessThan(0.1)
  })
})

describe('abuser', () => {
  it('has one tenant that sends ten times what another sends, in the middle half', () => {
    const tape = tapeOf(named('abuser'), { adapters: 8, rate: 40, seconds: 400 })
    const middle = tape.filter(({ atMs }) => atMs > 100_000 && atMs < 300_000)
    const rest = tape.filter(({ atMs }) => atMs <= 100_000 || atMs >= 300_000)
    const count = (part: Tape, tenant: string): number =>
      part.filter((entry) => entry.tenant === tenant).length
    const others = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7']
    const mean = others.reduce((sum, tenant) => sum + count(middle, tenant), 0) / 7
    expect(Math.abs(count(middle, 'a0') / mean / 10 - 1)).toBeLessThan(0.1)
    expect(count(rest, 'a0') / (rest.length / 8)).toBeCloseTo(1, 0)
    // Nobody else sends more or less for it.
    expect(Math.abs(mean / 200 / 5 - 1)).toBeLessThan(0.05)
  })
})
