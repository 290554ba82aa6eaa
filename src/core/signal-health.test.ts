import { describe, expect, test } from 'vitest'
import { judgeSignals, keepSamples, type SignalSample } from './signal-health.ts'

/** Looks every five seconds for seventy seconds. */
function watched(sample: (at: number) => Partial<SignalSample>): readonly SignalSample[] {
  let samples: readonly SignalSample[] = []
  for (let at = 0; at <= 14; at += 1) {
    samples = keepSamples(samples, {
      atMs: at * 5000,
      waiting: 0,
      running: 6,
      arrivals: at * 10,
      isFresh: true,
      engines: [engine(3 + (at % 2)), engine(3)],
      ...sample(at),
    })
  }
  return samples
}

const engine = (running: number, kvCacheUsage = 0.1) => ({ running, waiting: 0, kvCacheUsage })

describe('signals under traffic', () => {
  test.each<{
    readonly name: string
    readonly sample: (at: number) => Partial<SignalSample>
    readonly want: string | undefined
  }>([
    { name: 'that agree are well', sample: () => ({}), want: undefined },
    {
      name: 'of engines that say 0 all the time are inert',
      sample: () => ({ engines: [engine(0), engine(0)] }),
      want: 'EngineLoadInert',
    },
    {
      name: 'of engines that stand still far from what gateways count are inert',
      sample: () => ({ engines: [engine(20), engine(0)] }),
      want: 'EngineLoadInert',
    },
    {
      name: 'that stand still and agree are a steady load',
      sample: () => ({ engines: [engine(3), engine(3)] }),
      want: undefined,
    },
    {
      name: 'of engines that were idle for a moment are well',
      sample: (at) => ({ engines: [engine(at === 7 ? 1 : 0)] }),
      want: undefined,
    },
    {
      name: 'are not judged by long requests alone: nothing came meanwhile',
      sample: () => ({ arrivals: 7, engines: [engine(0)] }),
      want: undefined,
    },
    {
      name: 'are not judged while a gateway is silent',
      sample: (at) => ({ isFresh: at !== 9, engines: [engine(0)] }),
      want: undefined,
    },
    {
      name: 'are not judged without a replica',
      sample: () => ({ engines: [] }),
      want: undefined,
    },
    {
      name: 'of gateways that say nothing while engines work are inert',
      sample: () => ({ running: 0, arrivals: 4 }),
      want: 'DemandInert',
    },
    {
      name: 'of an idle pool are well',
      sample: () => ({ running: 0, arrivals: 4, engines: [engine(0)] }),
      want: undefined,
    },
  ])('$name', ({ sample, want }) => {
    expect(judgeSignals(watched(sample))?.reason).toBe(want)
  })

  test('a minute has to pass', () => {
    const samples = watched(() => ({ engines: [engine(0)] }))
    expect(judgeSignals(samples.slice(0, 9))).toBeUndefined()
  })
})
