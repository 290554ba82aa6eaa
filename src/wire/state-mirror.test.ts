import { expect, test } from 'vitest'
import { aHello } from '../../test/support/a-hello.ts'
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

test('who comes later hears what runs, as all that was said before adds up to', () => {
  const mirror = new StateMirror()
  mirror.take(aHello)
  mirror.take({ type: 'activity', began: ['a', 'b'], ended: [] })
  mirror.take(busy)
  mirror.take({ type: 'activity', began: ['c'], ended: ['a'] })
  const seen: StateMessage[] = []
  mirror.watch((message) => seen.push(message))
  expect(seen).toEqual([aHello, { type: 'activity', began: ['b', 'c'], ended: [] }, busy])
})

test('after a new hello nothing of what ran before counts', () => {
  const mirror = new StateMirror()
  mirror.take(aHello)
  mirror.take({ type: 'activity', began: ['a'], ended: [] })
  mirror.take(busy)
  mirror.take(aHello)
  mirror.take(busy)
  const seen: StateMessage[] = []
  mirror.watch((message) => seen.push(message))
  expect(seen).toEqual([aHello, busy])
})
