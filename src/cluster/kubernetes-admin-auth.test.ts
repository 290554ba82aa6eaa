import { expect, test } from 'vitest'
import { KubeApiError } from '../resources/kubernetes/kube-api-error.ts'
import type { KubeClient } from '../resources/kubernetes/types.ts'
import { KubernetesAdminAuth } from './kubernetes-admin-auth.ts'

/** What of an API server is asked here; the integration tests ask a real one. */
function aCluster() {
  const state = { isDown: false, isKnown: true, mayRead: true, asked: 0, now: 0 }
  const held = { answers: Promise.resolve() }
  const client = {
    create: async (type: { readonly kind: string }) => {
      state.asked += 1
      await held.answers
      if (state.isDown) {
        throw new KubeApiError({ reason: 'Unreachable', status: 0, message: 'x' })
      }
      return {
        status:
          type.kind === 'TokenReview'
            ? { authenticated: state.isKnown, user: { username: 'prometheus' } }
            : { allowed: state.mayRead },
      }
    },
  } as unknown as KubeClient
  const auth = new KubernetesAdminAuth(client, () => state.now)
  const check = (path = '/metrics', token = 'token') => auth.check(`Bearer ${token}`, path)
  return { state, held, check }
}

test('an answer is not asked for again for a minute, each path by itself', async () => {
  const { state, check } = aCluster()
  expect(await check()).toBe('Allowed')
  expect(await check()).toBe('Allowed')
  expect(state.asked).toBe(2)
  state.mayRead = false
  expect(await check('/debug/state')).toBe('Forbidden')
  state.now += 61_000
  expect(await check()).toBe('Forbidden')
})

test('a refusal is asked again after 5 s: rights are given while somebody waits', async () => {
  const { state, check } = aCluster()
  state.isKnown = false
  expect(await check()).toBe('Unknown')
  state.isKnown = true
  state.now += 5001
  expect(await check()).toBe('Allowed')
})

test('while the API server is down, whoever was let in within the hour still is, and nobody else', async () => {
  const { state, check } = aCluster()
  expect(await check()).toBe('Allowed')
  state.isDown = true
  state.now += 3_500_000
  expect(await check()).toBe('Allowed')
  expect(await check('/debug/state')).toBe('Unavailable')
  state.now += 200_000
  expect(await check()).toBe('Unavailable')
})

test('strangers who come all at once do not stand in the way to the API server', async () => {
  const { state, held, check } = aCluster()
  expect(await check()).toBe('Allowed')
  const gate = Promise.withResolvers<void>()
  held.answers = gate.promise
  state.isKnown = false
  state.asked = 0
  const strangers = Array.from({ length: 20 }, (_, index) => check('/metrics', `made-up-${index}`))
  state.now += 61_000
  expect(await check()).toBe('Allowed')
  expect(state.asked).toBe(4)
  gate.resolve()
  const verdicts = await Promise.all(strangers)
  expect(verdicts.filter((one) => one === 'Unknown')).toHaveLength(4)
  expect(verdicts.filter((one) => one === 'Unavailable')).toHaveLength(16)
  expect(await check('/metrics', 'one-more')).toBe('Unknown')
})

test('strangers do not push out whom the cluster trusts', async () => {
  const { state, check } = aCluster()
  expect(await check()).toBe('Allowed')
  state.isKnown = false
  for (let index = 0; index < 1200; index += 1) {
    await check('/metrics', `made-up-${index}`)
  }
  state.isDown = true
  state.now += 61_000
  expect(await check()).toBe('Allowed')
})
