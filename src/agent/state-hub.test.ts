import { expect, test } from 'vitest'
import type { StateMessage } from '../api/agent-protocol.ts'
import { silentLogger, type Logger } from './logger.ts'
import { StateHub } from './state-hub.ts'

function slots(...gateways: readonly string[]): StateMessage {
  return { type: 'slots', gateways }
}

function aHub(logger: Logger = silentLogger) {
  return new StateHub(() => [slots('whole'), slots('state')], logger)
}

function recorder() {
  const seen: string[] = []
  const listener = (message: StateMessage) => {
    seen.push(message.type === 'slots' ? message.gateways.join() : message.type)
  }
  return { seen, listener }
}

test('a follower gets the whole state first, then changes', () => {
  const hub = aHub()
  const { seen, listener } = recorder()
  const unwatch = hub.watch(listener)
  hub.publish(slots('change'))
  unwatch()
  hub.publish(slots('unheard'))
  expect(seen).toEqual(['whole', 'state', 'change'])
})

test('what a follower causes while it is told something comes after that', () => {
  const hub = aHub()
  const { seen, listener } = recorder()
  hub.watch((message) => {
    listener(message)
    if (seen.length === 1) {
      hub.publish(slots('caused'))
    }
  })
  expect(seen).toEqual(['whole', 'state', 'caused'])
})

test('a follower that throws is logged and harms no other', () => {
  const errors: string[] = []
  const hub = aHub({ ...silentLogger, error: (_fields, message) => void errors.push(message) })
  hub.watch(() => {
    throw new Error('a bug of the listener')
  })
  const { seen, listener } = recorder()
  hub.watch(listener)
  hub.publish(slots('change'))
  expect(seen).toEqual(['whole', 'state', 'change'])
  expect(errors).toHaveLength(3)
})

test('nobody is told anything after the end, not even what is queued', () => {
  const hub = aHub()
  const { seen, listener } = recorder()
  hub.watch((message) => {
    listener(message)
    hub.close()
  })
  hub.publish(slots('change'))
  expect(seen).toEqual(['whole'])
})
