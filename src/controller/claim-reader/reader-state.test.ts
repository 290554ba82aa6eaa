import { describe, expect, test } from 'vitest'
import type { PodObject } from '../model-pool/kube-shapes.ts'
import { readerStateOf } from './reader-state.ts'

type Status = NonNullable<PodObject['status']>

function pod(name: string, status: Status, deletionTimestamp?: string): PodObject {
  const metadata = { name, namespace: 'models' }
  return {
    metadata: deletionTimestamp === undefined ? metadata : { ...metadata, deletionTimestamp },
    spec: { nodeName: 'node-1' },
    status,
  }
}

const ready: Status = { podIP: '10.0.0.7', conditions: [{ type: 'Ready', status: 'True' }] }
const unscheduled = (message: string): Status => ({
  conditions: [{ type: 'PodScheduled', status: 'False', message }],
})
const waiting = (reason: string, message?: string): Status => ({
  conditions: [{ type: 'PodScheduled', status: 'True' }],
  containerStatuses: [
    {
      name: 'reader',
      state: { waiting: message === undefined ? { reason } : { reason, message } },
    },
  ],
})

const stateOf = (...pods: readonly PodObject[]) =>
  readerStateOf({
    namespace: 'models',
    claim: 'weights',
    name: 'llama-reader-x',
    deployment: undefined,
    pods,
  })

test('a pod that is ready is asked, however many that are gone lie about', () => {
  const pods = [
    pod('old', ready, '2026-01-01T00:00:00Z'),
    pod('evicted', { phase: 'Failed' }),
    pod('now', { ...ready, podIP: 'fd00::7' }),
  ]
  expect(stateOf(...pods)).toEqual({ state: 'Ready', url: 'http://[fd00::7]:8300' })
  expect(stateOf(...pods.slice(0, 2))).toMatchObject({ state: 'NotReady' })
})

describe('a claim that cannot be read says why, and what to do', () => {
  test.each([
    [
      'that is not there',
      unscheduled('0/1 nodes are available: persistentvolumeclaim "weights" not found.'),
      'There is no PersistentVolumeClaim weights in namespace models',
    ],
    [
      'that is not bound',
      unscheduled('0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.'),
      'kubectl describe pvc -n models weights',
    ],
    [
      'on a node that takes no pod',
      unscheduled('0/3 nodes are available: 1 node(s) had volume node affinity conflict.'),
      'volume node affinity conflict',
    ],
    ['that another node has', waiting('ContainerCreating'), 'Multi-Attach'],
    ['without an image', waiting('ImagePullBackOff', 'back-off pulling'), 'ImagePullBackOff'],
    ['of a pod that nobody looked at yet', {}, 'is not ready yet'],
  ] as const)('%s', (_what, status: Status, words) => {
    const state = stateOf(pod('reader-1', status))
    expect(state.state === 'NotReady' ? state.words : '').toContain(words)
  })

  test('in words that are no longer than a condition should be', () => {
    const state = stateOf(pod('reader-1', unscheduled('x'.repeat(5000))))
    expect(state.state === 'NotReady' ? state.words.length : 0).toBeLessThan(500)
  })
})
