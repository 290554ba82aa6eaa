import { expect, test } from 'vitest'
import type { LoadMessage, StateMessage } from '../../api/agent-protocol.ts'
import type { RemoteAgentLink } from '../../wire/agent-link.ts'
import { PodReplica } from './pod-replica.ts'

function aReplica() {
  let tell: (message: StateMessage) => void = () => undefined
  const link: Pick<RemoteAgentLink, 'replica' | 'watchState'> = {
    replica: 'r0',
    watchState: (onMessage) => {
      tell = onMessage
      return () => undefined
    },
  }
  const replica = new PodReplica('models/llama', link as RemoteAgentLink, () => undefined)
  const load: LoadMessage = {
    type: 'load',
    ready: true,
    detail: '',
    draining: false,
    running: 3,
    waiting: 0,
    kvCacheUsage: 0,
    slots: { total: 8, used: 5 },
  }
  return { replica, says: (more: Partial<LoadMessage>) => tell({ ...load, ...more }) }
}

test('adapters count while they are in flight, on a replica that takes requests', () => {
  const { replica, says } = aReplica()
  expect(replica.activeAdapters).toBe(0)
  says({ adapters: 2 })
  expect(replica.activeAdapters).toBe(2)
  says({ adapters: 2, draining: true })
  expect(replica.activeAdapters).toBe(0)
  says({ adapters: 2, ready: false })
  expect(replica.activeAdapters).toBe(0)
})

test('an agent that does not say what is in flight says what is leased', () => {
  const { replica, says } = aReplica()
  says({})
  expect(replica.activeAdapters).toBe(5)
})
