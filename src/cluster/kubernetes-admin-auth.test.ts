import { expect, test } from 'vitest'
import { KubeApiError } from '../resources/kubernetes/kube-api-error.ts'
import type { KubeClient } from '../resources/kubernetes/types.ts'
import { KubernetesAdminAuth } from './kubernetes-admin-auth.ts'

/** What of an API server is asked here; the integration tests ask a real one. */
function aCluster() {
  const state = { isDown: false, isKnown: true, mayRead: true, asked: 0, now: 0 }
  const client = {
    create: (type: { readonly kind: string }) => {
      state.asked += 1
      if (state.isDown) {
        return Promise.reject(new KubeApiError({ reason: 'Unreachable', status: 0, message: 'x' }))
      }
      return Promise.resolve({
        status:
          type.kind === 'TokenReview'
            ? { authenticated: state.isKnown, user: { username: 'prometheus' } }
            : { allowed: state.mayRead },
      })
    },
  } as unknown as KubeClient
  const auth = new KubernetesAdminAuth(client, () => state.now)
  return { state, check: (path = '/metrics') => auth.check('Bearer token', path) }
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
