import { beforeEach, expect, test } from 'vitest'
import { aHello } from '../../test/support/a-hello.ts'
import type { LoadMessage, StateMessage } from '../api/agent-protocol.ts'
import type { Clock } from './clock.ts'
import { silentLogger } from './logger.ts'
import { StateFeed } from './state-feed.ts'

const load: LoadMessage = {
  type: 'load',
  ready: true,
  detail: 'ready',
  draining: false,
  running: 0,
  waiting: 0,
  kvCacheUsage: 0,
  slots: { total: 2, used: 0 },
}
const still: Clock = { now: () => 0, after: () => ({ cancel: () => undefined }) }

let active: ReadonlySet<string>
let feed: StateFeed
let heard: StateMessage[]

beforeEach(() => {
  active = new Set()
  feed = new StateFeed({
    clock: still,
    logger: silentLogger,
    hello: () => aHello,
    load: () => load,
    active: () => active,
    residencies: () => new Map(),
    onRoutable: () => undefined,
  })
  heard = []
})

const activities = () => heard.filter(({ type }) => type === 'activity')

test('what runs is told as it changes, and not again', () => {
  feed.watch((message) => heard.push(message))
  active = new Set(['a', 'b'])
  feed.load(false)
  active = new Set(['b', 'c'])
  feed.load(false)
  feed.load(true)
  expect(activities()).toEqual([
    { type: 'activity', began: ['a', 'b'], ended: [] },
    { type: 'activity', began: ['c'], ended: ['a'] },
  ])
})

test('who comes later hears all that was told, then what the others hear', () => {
  active = new Set(['a'])
  feed.load(false)
  active = new Set(['a', 'b'])
  feed.watch((message) => heard.push(message))
  feed.load(false)
  expect(activities()).toEqual([
    { type: 'activity', began: ['a'], ended: [] },
    { type: 'activity', began: ['b'], ended: [] },
  ])
})

test('another engine process begins with what runs there', () => {
  active = new Set(['a'])
  feed.load(false)
  feed.watch((message) => heard.push(message))
  heard.length = 0
  active = new Set(['b'])
  feed.startOver()
  feed.load(false)
  expect(activities()).toEqual([{ type: 'activity', began: ['b'], ended: [] }])
})
