import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { azureRows } from './azure-rows.ts'
import { mooncake } from './mooncake.ts'
import { noisyNeighbour } from './noisy-neighbour.ts'
import { paced } from './paced.ts'
import type { Tape } from '../tape.ts'
import type { Knob } from './workload.ts'

// The first rows of Azure's LLM inference traces of 2023 (github.com/Azure/AzurePublicDataset, Microsoft, CC-BY-4.0).
const head = 'TIMESTAMP,ContextTokens,GeneratedTokens'
const talks = `${head}\r\n2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109`
const codes = `${head}\r\n2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8`

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const knobs =
  (values: Partial<Record<Knob, number>>) =>
  (name: Knob): number | undefined =>
    values[name]

describe('rows of Azure', () => {
  it('are read with the digits beyond milliseconds, whatever ends their lines', () => {
    const rows = azureRows(talks, 'f')
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatchObject({ inputTokens: 374, outputTokens: 44 })
    expect((rows[1]?.atMs ?? 0) - (rows[0]?.atMs ?? 0)).toBeCloseTo(4314.579, 2)
    expect(azureRows(talks.replaceAll('\r', ''), 'f')).toEqual(rows)
  })

  const mistakes: readonly [string, string, RegExp][] = [
    ['columns', talks.replace('ContextTokens', 'Context'), /^f, line 1: /],
    ['a time', talks.replace('2023-11-16 18:15:50', 'later'), /^f, line 3: TIMESTAMP is "later/],
    ['tokens', talks.replace('374', 'many'), /^f, line 2: ContextTokens is "many"/],
    ['no tokens', talks.replace(',44', ''), /^f, line 2: GeneratedTokens is ""/],
  ]
  it.each(mistakes)('with other %s are refused by file, line and column', (_, text, words) => {
    expect(() => azureRows(text, 'f')).toThrow(words)
  })
})

describe('azure', () => {
  const make = (values: Partial<Record<Knob, number>>): Tape =>
    noisyNeighbour.make({
      knob: knobs({ adapters: 3, zipf: 0, ...values }),
      files: [bytes(talks), bytes(codes)],
      seed: 1,
    })

  it('lays both traces on one clock, the code as one tenant', () => {
    const tape = make({})
    expect(tape.map(({ atMs }) => Math.round(atMs))).toEqual([0, 4315, 77_299, 77_351])
    expect(tape.map(({ tenant }) => tenant).slice(2)).toEqual(['code', 'code'])
    expect(tape[0]?.tenant).toMatch(/^a[0-2]$/)
    expect(tape[2]).toMatchObject({ inputTokens: 4808, outputTokens: 10, adapter: 'code' })
  })

  it('is played at the rate asked for and cut', () => {
    const tape = make({ rate: 1, seconds: 2 })
    // Four requests in 77.351 s become four in four seconds.
    expect(tape.map(({ atMs }) => Math.round(atMs))).toEqual([0, 223])
  })
})

describe('paced', () => {
  it('leaves a tape alone that nothing is asked of', () => {
    const tape = [
      { atMs: 5, tenant: 't', adapter: 'a', inputTokens: 1, outputTokens: 1, blocks: [] },
    ]
    expect(paced(tape, undefined, undefined)).toBe(tape)
  })
})

describe('mooncake', () => {
  const lines = [
    { timestamp: 0, input_length: 1100, output_length: 5, hash_ids: [0, 7, 8] },
    { timestamp: 0, input_length: 600, output_length: 6, hash_ids: [0, 9] },
    { timestamp: 3000, input_length: 1600, output_length: 7, hash_ids: [0, 7, 8, 10] },
  ]
  const text = `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`
  const make = (file: Uint8Array): Tape =>
    mooncake.make({ knob: knobs({ adapters: 50, zipf: 0 }), files: [file], seed: 2 })

  it('is read packed or not', () => {
    expect(make(gzipSync(bytes(text)))).toEqual(make(bytes(text)))
  })

  it('spreads requests inside their steps of 3 s, in order', () => {
    const times = make(bytes(text)).map(({ atMs }) => atMs)
    expect(times[0]).toBeGreaterThan(0)
    expect(times[1]).toBeLessThan(3000)
    expect(times[0]).not.toBe(times[1])
    expect(times[2]).toBeGreaterThan(3000)
  })

  it('keeps a conversation with its adapter, and has 32 blocks for each hash of 512 tokens', () => {
    const tape = make(bytes(text))
    const first = tape.find(({ outputTokens }) => outputTokens === 5)
    const last = tape.find(({ outputTokens }) => outputTokens === 7)
    expect(last?.adapter).toBe(first?.adapter)
    expect(first?.blocks).toHaveLength(96)
    expect(new Set(first?.blocks).size).toBe(96)
    expect(last?.blocks.slice(0, 96)).toEqual(first?.blocks)
  })

  it.each([
    ['{', /^Line 2 of Mooncake’s trace is no JSON/],
    [JSON.stringify({ ...lines[0], input_length: 0 }), /^Line 2 .*: input_length is wrong/],
  ])('refuses %s by line and field', (line, words) => {
    expect(() => make(bytes(`${text.split('\n')[0]}\n${line}`))).toThrow(words)
  })
})
