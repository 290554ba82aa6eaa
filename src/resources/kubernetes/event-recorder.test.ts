import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { FaultApi } from '../../../test/support/fault-api.ts'
import type { EventNews } from './event-record.ts'
import { EventRecorder } from './event-recorder.ts'
import { createKubeClient } from './kube-client.ts'
import { createTransport } from './transport.ts'

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

const news: EventNews = {
  regarding: {
    apiVersion: 'loraplex.dev/v1alpha1',
    kind: 'LoraAdapter',
    namespace: 'acme',
    name: 'tickets',
    uid: 'u1',
  },
  type: 'Warning',
  reason: 'FetchFailed',
  action: 'Fetch',
  note: 'could not be fetched',
}

async function bed() {
  const api = await FaultApi.start()
  const transport = createTransport(api.access)
  const recorder = new EventRecorder({
    client: createKubeClient({ transport }),
    controller: 'loraplex.dev/controller',
    instance: 'pod-1',
    seriesEveryMs: 20,
  })
  closing.push(
    () => api.stop(),
    () => transport.close(),
    () => recorder.close(),
  )
  const bodies = () => api.requests.map(({ body }) => JSON.parse(body))
  return { api, recorder, bodies }
}

describe('an event recorder', () => {
  it('tells the same news as one event with a count', async () => {
    const { api, recorder, bodies } = await bed()
    recorder.record(news)
    await eventually(() => api.requests.length).toBe(1)
    for (let index = 0; index < 9; index += 1) {
      recorder.record(news)
    }
    await eventually(() => api.requests.length).toBe(2)
    const [created, counted] = bodies()
    expect(api.requests.map(({ method }) => method)).toEqual(['POST', 'PATCH'])
    expect(created).toMatchObject({
      kind: 'Event',
      apiVersion: 'events.k8s.io/v1',
      metadata: { namespace: 'acme' },
      reportingController: 'loraplex.dev/controller',
      reason: 'FetchFailed',
      note: 'could not be fetched',
    })
    expect(created.eventTime).toMatch(/\.\d{6}Z$/)
    expect(counted.series.count).toBe(10)
  })

  it('cuts a note between letters, at 1 kB', async () => {
    const { recorder, bodies } = await bed()
    recorder.record({ ...news, note: 'ü'.repeat(2_000) })
    await eventually(() => bodies().length).toBe(1)
    const { note } = bodies()[0]
    expect(Buffer.byteLength(note)).toBeLessThanOrEqual(1024)
    expect(note).toMatch(/^ü+…$/)
  })

  it('tells about cluster-scoped objects in `default`', async () => {
    const { recorder, bodies } = await bed()
    const regarding = {
      apiVersion: 'loraplex.dev/v1alpha1',
      kind: 'ModelTenant',
      name: 'acme',
      uid: 'u2',
    }
    recorder.record({ ...news, regarding })
    await eventually(() => bodies().length).toBe(1)
    expect(bodies()[0].metadata.namespace).toBe('default')
  })

  it('does not let one object fill the store', async () => {
    const { api, recorder } = await bed()
    for (let index = 0; index < 200; index += 1) {
      recorder.record({ ...news, note: `attempt ${index}` })
    }
    recorder.record({ ...news, regarding: { ...news.regarding, uid: 'another' }, note: 'last' })
    await eventually(() => api.requests.some(({ body }) => body.includes('another'))).toBe(true)
    expect(api.requests).toHaveLength(26)
  })
})
