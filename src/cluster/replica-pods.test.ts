import { describe, expect, test } from 'vitest'
import { replicaOfPod, replicasOfPods, trimReplicaPod, type ReplicaPod } from './replica-pods.ts'

const labels = {
  'app.kubernetes.io/component': 'engine',
  'loraplex.dev/pool': 'llama',
  'loraplex.dev/pool-revision': '0123456789',
}
const annotations = { 'loraplex.dev/served-model-name': 'lpx-base' }

function aPod(
  metadata: Partial<ReplicaPod['metadata']> = {},
  status: ReplicaPod['status'] = { phase: 'Running', podIP: '10.0.3.7' },
): ReplicaPod {
  const own = { name: 'llama-engine-a', namespace: 'models', uid: 'u1', labels, annotations }
  return { metadata: { ...own, ...metadata }, status }
}

const agentRuns = [{ name: 'agent', state: { running: { startedAt: 'now' } } }]
const agentWaits = [
  { name: 'model', state: { running: {} } },
  { name: 'agent', state: {} },
]

describe('replicas as their pods tell of them', () => {
  test('a running pod is a replica of the pool in its namespace', () => {
    expect(replicaOfPod(aPod())).toEqual({
      name: 'models/llama-engine-a@u1',
      poolKey: 'models/llama',
      poolRevision: '0123456789',
      servedModelName: 'lpx-base',
      engineUrl: 'http://10.0.3.7:8000',
      agentUrl: 'http://10.0.3.7:8100',
    })
  })

  test.each<[string, ReplicaPod]>([
    ['it is being deleted', aPod({ deletionTimestamp: '2026-11-21T00:00:00Z' })],
    ['it has no address yet', aPod({}, { phase: 'Running' })],
    ['it failed', aPod({}, { phase: 'Failed', podIP: '10.0.3.7' })],
    ['it ended', aPod({}, { phase: 'Succeeded', podIP: '10.0.3.7' })],
    ['nobody knows what it does', aPod({}, { phase: 'Unknown', podIP: '10.0.3.7' })],
    ['it still fetches weights', aPod({}, pending(agentWaits))],
    ['it was only just scheduled', aPod({}, { phase: 'Pending', podIP: '10.0.3.7' })],
    ['nothing says its model name', aPod({ annotations: {} })],
    ['nothing says its pool', aPod({ labels: without('loraplex.dev/pool') })],
    ['nothing says its revision', aPod({ labels: without('loraplex.dev/pool-revision') })],
    ['it is no engine', aPod({ labels: { ...labels, 'app.kubernetes.io/component': 'depot' } })],
  ])('a pod is none when %s', (_words, pod) => {
    expect(replicaOfPod(pod)).toBeUndefined()
  })

  test('a pending pod is one as soon as its agent runs', () => {
    expect(replicaOfPod(aPod({}, pending(agentRuns)))).toBeDefined()
  })

  test('a pod in another namespace never counts for the pool whose name it wears', () => {
    const stranger = aPod({ namespace: 'evil' })
    expect(replicaOfPod(stranger)?.poolKey).toBe('evil/llama')
    const slashed = aPod({
      namespace: 'evil',
      labels: { ...labels, 'loraplex.dev/pool': 'models/llama' },
    })
    expect(replicaOfPod(slashed)?.poolKey).toBe('evil/models/llama')
  })

  test('an IPv6 address is written as URLs have it', () => {
    const pod = aPod({}, { phase: 'Running', podIP: 'fd00::7' })
    expect(replicaOfPod(pod)).toMatchObject({
      engineUrl: 'http://[fd00::7]:8000',
      agentUrl: 'http://[fd00::7]:8100',
    })
  })

  test('a pod of the same name is another replica', () => {
    expect(replicaOfPod(aPod({ uid: 'u2' }))?.name).not.toBe(replicaOfPod(aPod())?.name)
  })

  test('what is dropped of a pod changes nothing of its replica', () => {
    const rich = aPod(
      { labels: { ...labels, team: 'a' }, annotations: { ...annotations, note: 'b' } },
      { ...pending([...agentWaits.slice(0, 1), ...agentRuns]) },
    )
    const trimmed = trimReplicaPod(rich)
    expect(replicaOfPod(trimmed)).toEqual(replicaOfPod(rich))
    expect(JSON.stringify(trimmed)).not.toMatch(/team|note|"model"/)
  })

  test('the order is the same whatever the order of the pods', () => {
    const pods = [aPod({ name: 'b' }), aPod({ name: 'a' })]
    expect(replicasOfPods(pods)).toEqual(replicasOfPods(pods.toReversed()))
  })
})

function pending(
  initContainerStatuses: NonNullable<ReplicaPod['status']>['initContainerStatuses'] & object,
): NonNullable<ReplicaPod['status']> {
  return { phase: 'Pending', podIP: '10.0.3.7', initContainerStatuses }
}

function without(label: string): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([name]) => name !== label))
}
