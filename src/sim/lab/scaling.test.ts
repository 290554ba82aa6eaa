import { describe, expect, test } from 'vitest'
import { h100Llama8b } from '../profile.ts'
import { leastRequests } from './policies/simple.ts'
import { runLab, type LabOptions } from './run-lab.ts'
import { fixed } from './scalers/fixed.ts'
import { loraplexScaler } from './scalers/loraplex.ts'
import { modulatedTape } from './workloads/modulated.ts'

const engine = {
  profile: h100Llama8b,
  maxLoras: 8,
  maxCpuLoras: 16,
  maxNumSeqs: 256,
  maxNumBatchedTokens: 2048,
  kvTokens: 250_000,
}
const costs = {
  stepMs: 13,
  perRequestMs: 0.044,
  perAdapterMs: 0.456,
  perPromptTokenMs: 0.055,
  loadMs: 98.4,
}
const policy = {
  minReplicas: 0,
  maxReplicas: 12,
  targetQueueDepth: 4,
  scaleToZeroAfterSeconds: 900,
  scaleDownStabilizationSeconds: 300,
}

function fromZero(): LabOptions {
  const rateAt = (second: number): number => (second < 10 ? 0 : 24)
  return {
    tape: modulatedTape({ rateAt, peakRate: 24, seconds: 120, seed: 3, adapters: 4 }),
    policy: leastRequests(),
    replicas: 0,
    engine,
    seed: 1,
    maxInFlight: 80,
    scaling: {
      policy: loraplexScaler({ policy, tpotMs: 50, costs }),
      coldStartMs: 60_000,
      maxReplicas: 12,
    },
  }
}

describe('from zero', () => {
  const { requests, scaling } = runLab(fromZero())
  const firstMs = requests[0]?.arrivedMs ?? Number.NaN

  test('the first request is seen within 100 ms', () => {
    const woken = scaling.find(({ desired }) => desired > 0)
    expect((woken?.atMs ?? Infinity) - firstMs).toBeLessThanOrEqual(100)
  })

  test('who comes before a replica waits at the gateway, and nobody is lost', () => {
    expect(requests.filter(({ endMs }) => Number.isNaN(endMs))).toHaveLength(0)
    expect(Math.min(...requests.map(({ sentMs }) => sentMs))).toBeGreaterThan(firstMs + 60_000)
  })

  test('those that waited go to all that come up, not to the first', () => {
    const held = requests.filter(({ arrivedMs }) => arrivedMs < firstMs + 50_000)
    const shares = new Map<number, number>()
    for (const { replica } of held) {
      shares.set(replica, (shares.get(replica) ?? 0) + 1)
    }
    expect(shares.size).toBeGreaterThanOrEqual(3)
    expect(Math.max(...shares.values()) / held.length).toBeLessThan(0.5)
  })
})

test('the same tape and rules give the same run', () => {
  const [left, right] = [runLab(fromZero()), runLab(fromZero())]
  expect(left.scaling).toEqual(right.scaling)
  expect(left.gpuMs).toBe(right.gpuMs)
  expect(left.requests.map(({ endMs }) => endMs)).toEqual(right.requests.map(({ endMs }) => endMs))
})

test('a rule that keeps the number is as good as no rule', () => {
  const tape = modulatedTape({ rateAt: () => 12, peakRate: 12, seconds: 60, seed: 5 })
  const plain = { tape, policy: leastRequests(), replicas: 2, engine, seed: 1 }
  const scaling = { policy: fixed(2), coldStartMs: 60_000, maxReplicas: 4 }
  const ends = ({ requests }: ReturnType<typeof runLab>) => requests.map(({ endMs }) => endMs)
  expect(ends(runLab({ ...plain, policy: leastRequests(), scaling }))).toEqual(ends(runLab(plain)))
})

test('when an engine dies, only streams that had begun on it are lost', () => {
  const tape = modulatedTape({ rateAt: () => 12, peakRate: 12, seconds: 60, seed: 5 })
  const run = runLab({
    tape,
    policy: leastRequests(),
    replicas: 2,
    engine,
    seed: 1,
    failuresMs: [30_000],
  })
  const lost = run.requests.filter(({ endMs }) => Number.isNaN(endMs))
  expect(lost.length).toBeGreaterThan(0)
  expect(lost.every(({ firstTokenMs }) => firstTokenMs <= 30_000)).toBe(true)
  expect(lost.every(({ arrivedMs }) => arrivedMs <= 30_000)).toBe(true)
})
