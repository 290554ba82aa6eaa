import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import {
  aKey,
  anAdapter,
  anAdapterStatus,
  aPool,
  aSnapshot,
  aTenant,
  secretOf,
  sha256,
} from '../../test/support/builders.ts'
import type { LoraAdapterStatus } from '../api/condition.ts'
import type { RoutingTable } from '../core/resolve.ts'
import { TableFeed, type TableSource } from './table-feed.ts'

const objects = [aPool('llama'), aTenant('acme'), aKey('acme'), anAdapter('tickets')]

function aSource() {
  let snapshot = aSnapshot(objects)
  const statuses = new Map<string, LoraAdapterStatus>()
  const listeners = { all: new Set<() => void>(), statuses: new Set<() => void>() }
  const listen = (set: Set<() => void>, listener: () => void) => {
    set.add(listener)
    return () => set.delete(listener)
  }
  const source = {
    current: () => ({ snapshot, problems: [] }),
    watch: (onUpdate: () => void) => listen(listeners.all, onUpdate),
    status: (_kind: string, key: string) => statuses.get(key),
    watchStatuses: (onChange: () => void) => listen(listeners.statuses, onChange),
  } as unknown as TableSource
  return {
    source,
    put: (...more: Parameters<typeof aSnapshot>[0]) => {
      snapshot = aSnapshot(more)
      listeners.all.forEach((tell) => tell())
    },
    say: (key: string, status: LoraAdapterStatus) => {
      statuses.set(key, status)
      listeners.statuses.forEach((tell) => tell())
    },
    listeners,
  }
}

function start() {
  const made = aSource()
  const tables: RoutingTable[] = []
  const feed = new TableFeed({ source: made.source, onTable: (table) => tables.push(table) })
  feed.build()
  return {
    ...made,
    feed,
    tables,
    newest: () => tables.at(-1)?.callers.get(sha256(secretOf('acme'))),
  }
}

test('a change after a quiet time is in the table at once', async () => {
  const { put, newest, feed } = start()
  await delay(60)
  put(...objects.slice(0, 2), aKey('acme').revoked())
  await delay(10)
  expect(newest()?.revoked).toBe(true)
  feed.close()
})

test('a status alone changes the table, too', async () => {
  const { say, newest, feed } = start()
  expect(newest()?.targets.get('tickets')?.state).toBe('Loading')
  say('acme/tickets', anAdapterStatus({ active: 'r1' }))
  await expect.poll(() => newest()?.targets.get('tickets')?.revision).toBe('r1')
  feed.close()
})

test('a burst makes few tables, and the last one has everything', async () => {
  const { say, tables, newest, feed } = start()
  for (let turn = 0; turn <= 200; turn += 1) {
    say('acme/tickets', anAdapterStatus({ active: `r${turn}` }))
    await delay(1)
  }
  await expect.poll(() => newest()?.targets.get('tickets')?.revision).toBe('r200')
  expect(tables.length).toBeLessThan(40)
  feed.close()
})

test('nothing is built once it is closed', async () => {
  const { put, tables, feed, listeners } = start()
  put(...objects)
  feed.close()
  await delay(80)
  expect(tables).toHaveLength(1)
  expect(listeners.all.size + listeners.statuses.size).toBe(0)
})
