import { afterEach, expect, test } from 'vitest'
import { Gateway } from '../gateway/gateway.ts'
import { ScriptedAgent } from '../../test/support/scripted-agent.ts'
import { GatewayReadiness } from './gateway-readiness.ts'

let gateway: Gateway
afterEach(() => gateway.close())

function start() {
  gateway = new Gateway({ saltSecret: Buffer.from('salt') })
  const clock = { nowMs: 1000, heardAtMs: 1000 }
  const readiness = new GatewayReadiness({
    gateway,
    maxConfigAgeMs: 60_000,
    heardAtMs: () => clock.heardAtMs,
    now: () => clock.nowMs,
  })
  return { clock, readiness }
}

/** One that says nothing until the test lets it. */
function listSilentReplica(): () => void {
  const agent = new ScriptedAgent('models/llama-a@u')
  const watchers: Parameters<ScriptedAgent['watchState']>[0][] = []
  gateway.setReplicas([
    {
      name: agent.replica,
      poolKey: 'models/llama',
      servedModelName: 'base',
      address: () => ({ url: 'http://127.0.0.1:1', apiKey: undefined }),
      link: Object.assign(agent, {
        watchState: (onMessage: (typeof watchers)[number]) => {
          watchers.push(onMessage)
          return () => undefined
        },
      }),
    },
  ])
  return () =>
    watchers[0]?.({
      type: 'load',
      ready: true,
      detail: '',
      draining: false,
      running: 0,
      waiting: 0,
      kvCacheUsage: 0,
      slots: { total: 1, used: 0 },
    })
}

test('says what it waits for until everything is known', () => {
  const { readiness } = start()
  readiness.waitFor('the resources from the API server')
  expect(readiness.notReady()).toBe('waiting for the resources from the API server')
  readiness.synced()
  expect(readiness.notReady()).toBeUndefined()
})

test('a new gateway waits for its agents, those that are silent not for long', () => {
  const { clock, readiness } = start()
  const speak = listSilentReplica()
  readiness.synced()
  expect(readiness.notReady()).toBe('waiting for the agents of 1 replicas')
  clock.nowMs += 3000
  expect(readiness.notReady()).toBeUndefined()
  speak()
  expect(readiness.notReady()).toBeUndefined()
})

test('once it was ready, a new replica does not put it out of service', () => {
  const { readiness } = start()
  readiness.synced()
  expect(readiness.notReady()).toBeUndefined()
  listSilentReplica()
  expect(readiness.notReady()).toBeUndefined()
})

test('what it goes by may be so old and no older, and it comes back', () => {
  const { clock, readiness } = start()
  readiness.synced()
  clock.nowMs += 60_000
  expect(readiness.notReady()).toBeUndefined()
  clock.nowMs += 1
  expect(readiness.notReady()).toContain('was not heard for 60 s')
  clock.heardAtMs = clock.nowMs
  expect(readiness.notReady()).toBeUndefined()
})

test('a gateway that is about to stop says so first', async () => {
  const { readiness } = start()
  readiness.synced()
  gateway.announceLeave()
  expect(readiness.notReady()).toBe('about to stop')
  await gateway.drain(AbortSignal.timeout(10))
  expect(readiness.notReady()).toBe('draining')
})
