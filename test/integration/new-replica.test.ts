// A second replica beside one that is busy: how soon it has what the first one has, and who asks it too early.
import { expect, test } from 'vitest'
import { engineNameOf } from '../../src/api/names.ts'
import { startApiServer } from '../support/api-server.ts'
import { crdFolder } from '../support/crd-server.ts'
import { Lateness } from '../support/lateness.ts'
import type { RealPod } from '../support/real-pods.ts'
import { StreamLoad } from '../support/stream-load.ts'
import { WholeBed } from '../support/whole-bed.ts'

const adapterCount = 20
const names = Array.from({ length: adapterCount }, (_, at) => `a${at}`)

/** Calls of gateways for an adapter that was not routable there when they came. */
function early({ calls, routableMs }: RealPod): readonly string[] {
  const sinceMs = new Map([...routableMs].map(([revision, ms]) => [engineNameOf(revision), ms]))
  return calls
    .filter(({ model }) => model.startsWith('lpx-') && !model.startsWith('lpx-base-'))
    .filter(({ model, atMs }) => atMs < (sinceMs.get(model) ?? Infinity))
    .map(({ model, atMs }) => `${model} at ${atMs.toFixed(0)}`)
}

test('a new replica has 20 adapters within 5 s, and is asked for none of them before', async () => {
  await using api = await startApiServer({ crdPaths: [crdFolder] })
  await using bed = await WholeBed.create(api, { isSlow: true, startupMs: 3000, maxLoras: 8 })
  await bed.controller()
  const gateway = await bed.gateway()
  await bed.pool({ replicas: 1 })
  await bed.objects.tenant('acme')
  for (const [at, name] of names.entries()) {
    await bed.adapter('acme', name, at)
  }
  const ready = async (): Promise<number> => {
    const states = names.map((name) => bed.objects.readyOf('loraadapters', 'acme', name))
    return (await Promise.all(states)).filter((state) => state === 'True Ready').length
  }
  await expect.poll(ready, { timeout: 60_000, interval: 200 }).toBe(adapterCount)
  await using load = new StreamLoad()
  for (let worker = 0; worker < 3; worker += 1) {
    let turn = worker * 3
    load.keepUp(() => {
      turn += 1
      return bed.call(gateway, 'acme', names[turn % adapterCount] ?? '', 20)
    })
  }
  await expect.poll(() => load.ends.length, { timeout: 30_000 }).toBeGreaterThan(adapterCount)
  await bed.objects.patchPool('models', 'llama', { replicas: 2 })
  const whileItStarts = { timeout: 60_000, interval: 20 }
  await expect.poll(() => bed.pods[1]?.engineUpMs(), whileItStarts).toBeDefined()
  using lateness = new Lateness()
  await expect.poll(() => bed.pods[1]?.routableMs.size, whileItStarts).toBe(adapterCount)
  const lateMs = lateness.totalMs
  const [, pod] = bed.pods
  if (pod === undefined) {
    throw new Error('there is no second pod')
  }
  // It is one of those that are asked, from now on.
  const asked = (): number => new Set(pod.calls.map(({ model }) => model)).size
  await expect.poll(asked, { timeout: 30_000 }).toBeGreaterThan(adapterCount / 2)
  await load.stop()
  const lastMs = Math.max(...pod.routableMs.values())
  const seconds = (lastMs - (pod.engineUpMs() ?? Number.NaN) - lateMs) / 1000
  console.log(
    `new replica: ${adapterCount} adapters routable ${seconds.toFixed(1)} s after its engine was up; of ${pod.calls.length} calls that reached it ${early(pod).length} came for an adapter before that; ${load.ends.length} streams, failed ${load.problems.length}`,
  )
  expect(early(pod)).toEqual([])
  expect(load.problems).toEqual([])
  expect(seconds).toBeLessThan(5)
}, 240_000)
