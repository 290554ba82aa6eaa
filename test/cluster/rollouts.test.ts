// Rollouts, evictions and crashes under load, on a node: how long things take, and that no caller notices.
import process from 'node:process'
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  onTestFailed,
  onTestFinished,
  test,
} from 'vitest'
import { kubectl, kubectlGet } from '../support/cluster-tools.ts'
import { killContainer } from '../support/kill-container.ts'
import {
  describeCluster,
  eventually,
  listObjects,
  release,
  type KubeJson,
} from '../support/product.ts'
import { RolloutBed } from '../support/rollout-bed.ts'
import { StreamLoad } from '../support/stream-load.ts'

const { isOwnNode } = inject('cluster')
const adapterCount = Number(process.env['LORAPLEX_TEST_ADAPTERS'] ?? 10)
const streamCount = Number(process.env['LORAPLEX_TEST_STREAMS'] ?? 100)
const readyCallCount = Number(process.env['LORAPLEX_TEST_READY_CALLS'] ?? 200)
const inRelease = `--namespace=${release.namespace}`
// A node of two cores reads some two thousand frames a second beside everything else.
const slowStepMs = Math.max(50, streamCount / 4)
// More than all that a test waits for: what it left running when it was out of time would be in its second try's way.
const limits = { timeout: 400_000 }

let bed: RolloutBed
let attempts = 0

beforeAll(async () => {
  bed = await RolloutBed.create(adapterCount)
})
afterAll(() => bed[Symbol.asyncDispose]())
beforeEach(() => onTestFailed(async () => console.log(await describeCluster())))

/** Ends with its test, also with one that is out of time and still waits. */
function newLoad(): StreamLoad {
  const load = new StreamLoad()
  onTestFinished(() => load[Symbol.asyncDispose]())
  return load
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

function say(words: string): void {
  console.log(`rollouts: ${words}`)
}

/** Said at once: what a run of minutes found is wanted before its end. */
function expectNone({ problems }: StreamLoad): void {
  problems.forEach(say)
  expect(problems).toEqual([])
}

function secondsSince(startedAtMs: number): number {
  return (performance.now() - startedAtMs) / 1000
}

/** Of its engine. */
function restartsOf(pod: KubeJson): number {
  return pod.status.containerStatuses.find(({ name }: KubeJson) => name === 'vllm').restartCount
}

describe('changes and faults under load', limits, () => {
  test('an adapter answers within 5 s of its apply, and at every gateway once it is Ready', async () => {
    const gateways = (await bed.product.gatewayPods()).map(
      (pod) => `http://${pod.status.podIP}:8080`,
    )
    expect(gateways).toHaveLength(2)
    const callersEach = 10
    const turns = Math.ceil(readyCallCount / (adapterCount * gateways.length * callersEach))
    const load = newLoad()
    const took: number[] = []
    for (let index = 0; index < adapterCount; index += 1) {
      const startedAt = performance.now()
      await bed.applyAdapter(index)
      const readyAt = secondsSince(startedAt)
      let firstAt = Number.NaN
      const onStart = (): void => {
        firstAt = Math.min(secondsSince(startedAt), Number.isNaN(firstAt) ? Infinity : firstAt)
      }
      const call = { model: bed.adapterName(index), onStart }
      const calls = gateways.flatMap((gateway) =>
        Array.from({ length: callersEach }, async () => {
          for (let turn = 0; turn < turns; turn += 1) {
            await load.read(bed.call(2, { ...call, url: gateway }))
          }
        }),
      )
      await Promise.all(calls)
      took.push(firstAt)
      say(
        `${bed.adapterName(index)}: Ready after ${readyAt.toFixed(2)} s, first token ${firstAt.toFixed(2)} s`,
      )
    }
    const p95 = percentile(took, 0.95)
    say(
      `apply → Ready → first token: p50 ${percentile(took, 0.5).toFixed(2)} s, p95 ${p95.toFixed(2)} s`,
    )
    say(`calls right at Ready: ${load.ends.length}, failed ${load.problems.length}`)
    expectNone(load)
    expect(p95).toBeLessThan(5)
  })

  test('new engine arguments roll out at 80 % load: no stream is cut, no request fails', async () => {
    const before = await bed.enginePods()
    expect(before).toHaveLength(3)
    const retriedBefore = await bed.retries()
    const load = newLoad()
    for (let worker = 0; worker < 19; worker += 1) {
      load.keepUp(() => bed.call(200))
    }
    await expect.poll(() => load.open, { timeout: 30_000 }).toBeGreaterThan(12)
    const startedAt = performance.now()
    attempts += 1
    // Other ones in every attempt: the same again would roll nothing out.
    const args = [`--step-ms=${slowStepMs}`, `--seed=${attempts}`]
    await bed.patchPool({ engine: { args } })
    await eventually(async () => {
      const after = await bed.enginePods()
      const old = after.filter((pod) => before.some((one) => one.metadata.uid === pod.metadata.uid))
      expect(old.map((pod) => pod.metadata.name)).toEqual([])
      expect(after).toHaveLength(3)
    }, 150_000)
    const took = secondsSince(startedAt)
    await bed.ready(`lpp/${bed.pool}`)
    await load.stop()
    const retried = (await bed.retries()) - retriedBefore
    say(
      `rolling update: ${took.toFixed(1)} s; ${load.ends.length} streams, cut or failed ${load.problems.length}, tried twice ${retried}`,
    )
    expectNone(load)
    // A replica that was asked for an adapter before it has it refuses, and the gateway tries another.
    expect(retried).toBe(0)
  })

  test('gateways restart one after the other and cut none of their streams', async () => {
    const before = await bed.product.gatewayPods()
    const load = newLoad()
    const { ended } = await bed.open(load, streamCount, Math.round(35_000 / slowStepMs))
    load.keepUp(() => bed.call(4))
    load.keepUp(() => bed.call(4))
    const startedAt = performance.now()
    await kubectl('rollout', 'restart', 'deployment/loraplex-gateway', inRelease)
    await kubectl('rollout', 'status', 'deployment/loraplex-gateway', inRelease, '--timeout=100s')
    const took = secondsSince(startedAt)
    const openAfter = load.open
    await ended
    await load.stop()
    say(
      `gateway rollout: ${took.toFixed(1)} s; ${streamCount} long streams (${openAfter} open at its end) and ${load.ends.length - streamCount} short ones, cut or failed ${load.problems.length}`,
    )
    expectNone(load)
    await eventually(async () => {
      const pods = await listObjects(
        'pods',
        release.namespace,
        'app.kubernetes.io/component=gateway',
      )
      const kept = before.filter((one) => pods.some((pod) => pod.metadata.uid === one.metadata.uid))
      expect(kept.map((pod) => pod.metadata.name)).toEqual([])
    }, 60_000)
  })

  test('an evicted replica ends its streams first, and a second eviction waits for its successor', async () => {
    const [victim, neighbour] = await bed.enginePods()
    const load = newLoad()
    const { ended } = await bed.open(load, 30, Math.round(10_000 / slowStepMs))
    load.keepUp(() => bed.call(4))
    const startedAt = performance.now()
    await bed.evict(victim)
    await expect(bed.evict(neighbour)).rejects.toThrow(/disruption budget/)
    await eventually(async () => {
      const pods = await bed.enginePods()
      expect(pods.map((pod) => pod.metadata.uid)).not.toContain(victim.metadata.uid)
    }, 60_000)
    const took = secondsSince(startedAt)
    await bed.ready(`lpp/${bed.pool}`)
    await ended
    await load.stop()
    say(
      `eviction: the pod was gone after ${took.toFixed(1)} s; ${load.ends.length} streams, cut or failed ${load.problems.length}`,
    )
    expectNone(load)
  })

  test('a leader that goes hands over within 3 s, and one that is killed is replaced within 20 s', async () => {
    const load = newLoad()
    load.keepUp(() => bed.call(20))
    load.keepUp(() => bed.call(20))
    const handOver = async (): Promise<number> => {
      await kubectl('rollout', 'status', 'deployment/loraplex-controller', inRelease)
      return await bed.nextLeader(async (leader) => {
        await kubectl('delete', 'pod', leader.metadata.name, inRelease, '--wait=false')
      })
    }
    // The best of two: who stands by looks every 2 s, and a busy node takes its time over the rest.
    const handedOver = Math.min(await handOver(), await handOver())
    await kubectl('rollout', 'status', 'deployment/loraplex-controller', inRelease)
    const replaced = await bed.nextLeader(async (leader) => {
      await (isOwnNode
        ? killContainer(leader, 'controller')
        : kubectl('delete', 'pod', leader.metadata.name, inRelease, '--force', '--grace-period=0'))
    })
    await load.stop()
    say(
      `leaders: clean hand-over ${handedOver.toFixed(1)} s, after a kill ${replaced.toFixed(1)} s; ${load.ends.length} streams, failed ${load.problems.length}`,
    )
    expectNone(load)
    expect(handedOver).toBeLessThan(3)
    expect(replaced).toBeLessThan(20)
  })

  test.runIf(isOwnNode)(
    'an engine that is killed comes back with its adapters; others go on',
    async () => {
      const load = newLoad()
      const others = newLoad()
      const pods = await bed.enginePods()
      const tokens = Math.round(10_000 / slowStepMs)
      const streams = [await bed.open(load, 12, tokens)]
      // Callers draw their adapters, and one engine may have all of those.
      const busy = async (): Promise<number> => {
        const running = await Promise.all(pods.map((pod) => bed.runningAt(pod)))
        const count = running.filter((one) => one > 0).length
        if (count < 2) {
          streams.push(await bed.open(load, 1, tokens))
        }
        return count
      }
      await expect.poll(busy, { timeout: 30_000 }).toBeGreaterThan(1)
      const running = await Promise.all(pods.map((pod) => bed.runningAt(pod)))
      const at = running.findIndex((count) => count > 0)
      const [victim, had = 0] = [pods[at], running[at]]
      const before = restartsOf(victim)
      const startedAt = performance.now()
      await killContainer(victim, 'vllm')
      others.keepUp(() => bed.call(4))
      others.keepUp(() => bed.call(4))
      await eventually(async () => {
        const pod = await kubectlGet('pod', victim.metadata.name, '-n', victim.metadata.namespace)
        expect(restartsOf(pod)).toBe(before + 1)
        expect(await bed.routableAt(pod)).toBe(adapterCount)
      }, 60_000)
      const took = secondsSince(startedAt)
      await Promise.all(streams.map(({ ended }) => ended))
      await others.stop()
      say(
        `engine killed: its ${adapterCount} adapters were back after ${took.toFixed(1)} s; of ${load.ends.length} open streams ${had} ran on it, and ${load.problems.length} ended; ${others.ends.length} later ones, failed ${others.problems.length}`,
      )
      // Those on the engine end, with an error that says so; nobody else's do.
      expect(load.problems.length).toBeLessThanOrEqual(had)
      for (const problem of load.problems) {
        expect(problem).toContain('engine')
      }
      expect(others.problems).toEqual([])
    },
  )

  test('a pool sleeps while nobody calls, and the call that wakes it is answered', async () => {
    const sleepy = 'sleepy'
    await bed.addPool({
      name: sleepy,
      args: ['--step-ms=20', '--max-num-seqs=4'],
      scaling: {
        minReplicas: 0,
        maxReplicas: 4,
        targetQueueDepth: 4,
        scaleToZeroAfterSeconds: 4,
        scaleDownStabilizationSeconds: 4,
      },
    })
    await bed.applyAdapter(0, sleepy)
    const asleep = async (): Promise<void> => expect(await bed.enginePods(sleepy)).toHaveLength(0)
    await eventually(asleep, 60_000)
    const load = newLoad()
    const startedAt = performance.now()
    const onStart = (): void =>
      say(`from zero: first token ${secondsSince(startedAt).toFixed(1)} s`)
    const model = bed.adapterName(0, sleepy)
    await load.read(bed.call(20, { model, onStart }))
    // Some load of adapters and of nothing else, four times as much, then silence.
    const keepUp = (callers: number): void => {
      for (let caller = 0; caller < callers; caller += 1) {
        load.keepUp(() => bed.call(50, { model }))
      }
    }
    const desired = async (): Promise<number> => (await bed.readPool(sleepy)).status.desiredReplicas
    keepUp(3)
    await expect.poll(() => load.ends.length, { timeout: 60_000 }).toBeGreaterThan(12)
    const before = await desired()
    const steppedAt = performance.now()
    keepUp(9)
    await expect.poll(desired, { timeout: 30_000, interval: 100 }).toBeGreaterThan(before)
    const decided = secondsSince(steppedAt)
    await expect.poll(() => load.ends.length, { timeout: 60_000 }).toBeGreaterThan(60)
    const after = await desired()
    await load.stop()
    const silentAt = performance.now()
    await eventually(asleep, 90_000)
    say(
      `scaling: load × 4 decided after ${decided.toFixed(1)} s (${before} replicas, then ${after}), zero again ${secondsSince(silentAt).toFixed(1)} s after the last call; ${load.ends.length} streams of an adapter, cut or failed ${load.problems.length}`,
    )
    expectNone(load)
    expect(decided).toBeLessThan(10)
  })
})
