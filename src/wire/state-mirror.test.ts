import { expect, test } from 'vitest'
import type { LoadMessage, StateMessage } from '../api/agent-protocol.ts'
import { StateMirror } from './state-mirror.ts'

const busy: LoadMessage = {
  type: 'load',
  ready: true,
  detail: 'ready',
  draining: false,
  running: 5,
  waiting: 2,
  kvCacheUsage: 0.5,
  slots: { total: 4, used: 1 },
}

test('an agent that falls silent is not ready, and does not look idle', () => {
  const mirror = new StateMirror()
  const seen: StateMessage[] = []
  mirror.watch((message) => seen.push(message))
  mirror.take(busy)
  mirror.silence('no answer')
  expect(seen).toEqual([busy, { ...busy, ready: false, detail: 'no answer' }])
})

test('one that never spoke has nothing running', () => {
  const mirror = new StateMirror()
  mirror.silence('no answer')
  const seen: StateMessage[] = []
  mirror.watch((message) => seen.push(message))
  expect(seen).toMatchObject([{ type: 'load', ready: false, detail: 'no answer', running: 0 }])
})
