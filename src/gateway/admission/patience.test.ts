import { describe, expect, test } from 'vitest'
import { aPool } from '../../../test/support/builders.ts'
import { endOfWait, patienceOf } from './patience.ts'

const scaling = { minReplicas: 0, maxReplicas: 4 }
const engine = { startupTimeoutSeconds: 900 }
const cold = { warmSince: undefined, settledSince: undefined }

function waitMs(
  spec: Readonly<Record<string, unknown>>,
  rest: { readonly maxColdStartMs?: number; readonly waitMs?: number } = {},
): number {
  const pool = aPool('llama').with(spec).build()
  const limits = { maxQueueMs: 30_000, maxColdStartMs: rest.maxColdStartMs ?? 3_600_000 }
  return endOfWait(patienceOf(pool, limits, { waitMs: rest.waitMs, isCold: true, now: 0 }), cold)
}

describe('a pool without a ready engine is waited for', () => {
  test.each([
    { words: 'as long as its engines may take to start', spec: { scaling, engine }, want: 900_000 },
    {
      words: 'so, too, where its replicas are a number',
      spec: { replicas: 1, engine },
      want: 900_000,
    },
    {
      words: 'no longer than the operator lets one',
      spec: { scaling, engine },
      rest: { maxColdStartMs: 120_000 },
      want: 120_000,
    },
    {
      words: 'no longer than the caller waits',
      spec: { scaling, engine },
      rest: { waitMs: 50_000 },
      want: 50_000,
    },
    {
      words: 'as long as a queue where the caller waits no longer',
      spec: { scaling, engine },
      rest: { waitMs: 5000 },
      want: 5000,
    },
    {
      words: 'as long as a queue where the operator wants no more',
      spec: { scaling, engine },
      rest: { maxColdStartMs: 0 },
      want: 30_000,
    },
    {
      words: 'as long as a queue where none is to come',
      spec: { replicas: 0, engine },
      want: 30_000,
    },
    {
      words: 'as long as a queue while it is paused',
      spec: { scaling, engine, paused: true },
      want: 30_000,
    },
  ])('$words', ({ spec, rest, want }) => {
    expect(waitMs(spec, rest)).toBe(want)
  })
})
