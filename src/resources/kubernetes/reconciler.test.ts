import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { done, type ReconcileOutcome } from './reconcile-outcome.ts'
import { Reconciler, type ReconcilerOptions } from './reconciler.ts'
import { WorkQueue } from './work-queue.ts'

const closing: Reconciler[] = []

afterEach(async () => {
  await Promise.all(closing.splice(0).map((reconciler) => reconciler.close()))
})

function start(
  reconcile: (key: string, signal: AbortSignal) => Promise<ReconcileOutcome>,
  options: Partial<ReconcilerOptions> = {},
) {
  const queue = new WorkQueue()
  const seen: string[] = []
  const reconciler = new Reconciler({
    name: 'test',
    queue,
    reconcile: (key, signal) => {
      seen.push(key)
      return reconcile(key, signal)
    },
    ...options,
  })
  closing.push(reconciler)
  reconciler.start()
  return { queue, seen, reconciler }
}

describe('a reconciler', () => {
  it('works on different keys at once, never on one twice at once', async () => {
    const running = new Set<string>()
    let most = 0
    let isDoubled = false
    const { queue, seen } = start(
      async (key) => {
        isDoubled ||= running.has(key)
        running.add(key)
        most = Math.max(most, running.size)
        await new Promise((resolve) => {
          setTimeout(resolve, 5)
        })
        running.delete(key)
        return done
      },
      { workers: 3 },
    )
    for (let index = 0; index < 60; index += 1) {
      queue.add(`k${index % 6}`)
      await new Promise((resolve) => {
        setTimeout(resolve, 1)
      })
    }
    await eventually(() => queue.metrics).toMatchObject({ depth: 0, running: 0 })
    expect(most).toBe(3)
    expect(isDoubled).toBe(false)
    expect(new Set(seen).size).toBe(6)
  })

  it('tries again after a failure, not after a stall', async () => {
    const { queue, seen } = start((key) => {
      if (key === 'stalls') {
        return Promise.resolve({ outcome: 'Stalled', reason: 'NoSuchPool' })
      }
      if (seen.filter((each) => each === 'fails').length < 4) {
        throw new RangeError('not yet')
      }
      return Promise.resolve(done)
    })
    queue.add('fails')
    queue.add('stalls')
    await eventually(() => seen.length).toBe(5)
    await eventually(() => queue.metrics).toMatchObject({ depth: 0, delayed: 0, running: 0 })
    expect(seen.filter((key) => key === 'stalls')).toHaveLength(1)
  })

  it('comes back when it was told to', async () => {
    const atMs: number[] = []
    const { queue } = start(() => {
      atMs.push(performance.now())
      return Promise.resolve(atMs.length < 2 ? { outcome: 'RequeueAfter', delayMs: 60 } : done)
    })
    queue.add('a')
    await eventually(() => atMs.length).toBe(2)
    expect((atMs[1] ?? 0) - (atMs[0] ?? 0)).toBeGreaterThanOrEqual(59)
  })

  it('ends work that takes too long', async () => {
    const reasons: unknown[] = []
    const { queue } = start(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reasons.push(signal.reason)
            reject(new RangeError('aborted'))
          })
        }),
      { timeLimitMs: 30 },
    )
    queue.add('a')
    await eventually(() => reasons.length).toBeGreaterThanOrEqual(1)
  })

  it('rests a key that is reconciled without end, and no other', async () => {
    const paused: [string, number][] = []
    const { queue, seen } = start(
      (key) => {
        if (key === 'hot') {
          queue.add('hot')
        }
        return Promise.resolve(done)
      },
      {
        breaker: { burst: 20, perSecond: 1, openMs: 300 },
        onPaused: (key, ms) => paused.push([key, Math.round(ms)]),
      },
    )
    queue.add('hot')
    await eventually(() => paused).toEqual([['hot', 300]])
    expect(seen.filter((key) => key === 'hot')).toHaveLength(20)
    queue.add('cool')
    await eventually(() => seen).toContain('cool')
    queue.add('hot')
    // After its rest it is looked at again.
    await eventually(() => paused.length).toBeGreaterThanOrEqual(2)
  })
})
