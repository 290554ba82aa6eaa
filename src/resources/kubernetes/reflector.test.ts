import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../test/support/eventually.ts'
import { configMapType, FaultApi, type ConfigMap } from '../../../test/support/fault-api.ts'
import { createReflector, type ReconnectReason, type ReflectorOptions } from './reflector.ts'
import type { ReflectorTiming } from './reflector-timing.ts'
import { createTransport } from './transport.ts'
import type { StoreChange } from './types.ts'

const quick: Partial<ReflectorTiming> = {
  inactivityMs: 10_000,
  backoffMs: [20, 100],
  auditMs: [1e9, 1e9],
}

const closing: (() => Promise<void>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) {
    await close()
  }
})

async function bed(options: Partial<ReflectorOptions<ConfigMap>> = {}) {
  const api = await FaultApi.start()
  const transport = createTransport(api.access)
  const reconnects: ReconnectReason[] = []
  const reflector = createReflector<ConfigMap>({
    transport,
    type: configMapType,
    onReconnect: (reason) => reconnects.push(reason),
    ...options,
    timing: { ...quick, ...options.timing },
  })
  closing.push(
    () => api.stop(),
    () => transport.close(),
    () => reflector.close(),
  )
  const changes: StoreChange<ConfigMap>[] = []
  reflector.onChange((change) => changes.push(change))
  const values = (): Record<string, string | undefined> =>
    Object.fromEntries(
      reflector.store.list().map(({ metadata, data }) => [metadata.name, data?.['value']]),
    )
  const start = async (): Promise<void> => {
    await reflector.start(new AbortController().signal)
    await eventually(() => api.watches).toBe(1)
  }
  return { api, reflector, reconnects, changes, values, start }
}

describe('a reflector', () => {
  it('holds what there is once it has started, and follows changes', async () => {
    const { api, reflector, changes, values, start } = await bed()
    api.put('a', '1')
    await start()
    expect(values()).toEqual({ a: '1' })
    expect(reflector.store.get('default/a')).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' })
    api.put('a', '2')
    api.put('b', '1')
    api.remove('a')
    await eventually(values).toEqual({ b: '1' })
    expect(
      changes.map(({ key, before, after }) => [
        key,
        before?.data?.['value'],
        after?.data?.['value'],
      ]),
    ).toEqual([
      ['default/a', undefined, '1'],
      ['default/a', '1', '2'],
      ['default/b', undefined, '1'],
      ['default/a', '2', undefined],
    ])
    expect(api.count('list')).toBe(1)
  })

  it('reads all pages of a large collection', async () => {
    const { api, reflector, start } = await bed()
    api.pageSize = 7
    for (let index = 0; index < 30; index += 1) {
      api.put(`n${index}`, '1')
    }
    await start()
    expect(reflector.store.list()).toHaveLength(30)
    expect(api.count('list')).toBe(5)
  })

  it('gives frozen objects without managed fields', async () => {
    const { api, reflector, start } = await bed()
    await start()
    const object = { ...api.put('a', '1') }
    const metadata = {
      ...object.metadata,
      resourceVersion: '900',
      managedFields: [{ manager: 'x' }],
    }
    api.say({ type: 'MODIFIED', object: { ...object, metadata } })
    await eventually(() => reflector.store.get('default/a')?.metadata.resourceVersion).toBe('900')
    const held = reflector.store.get('default/a')
    expect(held?.metadata).not.toHaveProperty('managedFields')
    expect(Object.isFrozen(held?.data)).toBe(true)
  })

  it('finds objects by index', async () => {
    const { api, reflector, start } = await bed({
      indexers: { value: (object) => [object.data?.['value'] ?? ''] },
    })
    api.put('a', 'red')
    api.put('b', 'red')
    await start()
    expect(reflector.store.by('value', 'red')).toHaveLength(2)
    api.put('b', 'blue')
    await eventually(() => reflector.store.by('value', 'blue')).toHaveLength(1)
    api.remove('a')
    await eventually(() => reflector.store.by('value', 'red')).toHaveLength(0)
  })

  it('goes on when a handler throws', async () => {
    const { api, reflector, values, start } = await bed()
    reflector.onChange(() => {
      throw new Error('broken handler')
    })
    await start()
    api.put('a', '1')
    await eventually(values).toEqual({ a: '1' })
    api.put('a', '2')
    await eventually(values).toEqual({ a: '2' })
  })

  const breaks: readonly {
    readonly name: string
    readonly fault: (api: FaultApi) => void
    readonly wantReason: ReconnectReason
    readonly wantLists: number
  }[] = [
    {
      name: 'a TCP reset',
      fault: (api) => api.resetWatches(),
      wantReason: 'Broken',
      wantLists: 1,
    },
    {
      name: 'a line that is cut off',
      fault: (api) => {
        api.sayRaw('{"type":"MODIFIED","object":{"meta')
        api.endWatches()
      },
      wantReason: 'Broken',
      wantLists: 1,
    },
    {
      name: 'a line of garbage',
      fault: (api) => api.sayRaw('<html>502</html>\n'),
      wantReason: 'Broken',
      wantLists: 1,
    },
    {
      name: 'an event of no known type',
      fault: (api) => api.say({ type: 'NEWS', object: { metadata: {} } }),
      wantReason: 'Broken',
      wantLists: 1,
    },
    {
      name: '410 in the stream',
      fault: (api) => api.sayGone(),
      wantReason: 'Gone',
      wantLists: 2,
    },
    {
      name: '500 in the stream',
      fault: (api) => api.say({ type: 'ERROR', object: { code: 500, reason: 'InternalError' } }),
      wantReason: 'Refused',
      wantLists: 1,
    },
    {
      name: 'the end that was agreed',
      fault: (api) => api.endWatches(),
      wantReason: 'Ended',
      wantLists: 1,
    },
  ]
  it.each(breaks)('survives $name and misses nothing', async ({ fault, wantReason, wantLists }) => {
    const { api, reconnects, values, start } = await bed()
    api.put('a', '1')
    await start()
    fault(api)
    api.put('a', '2')
    api.put('b', '1')
    await eventually(values).toEqual({ a: '2', b: '1' })
    await eventually(() => reconnects).toContain(wantReason)
    await eventually(() => api.watches).toBe(1)
    expect(api.count('list')).toBe(wantLists)
  })

  it('resumes from a bookmark', async () => {
    const { api, start } = await bed()
    api.put('a', '1')
    await start()
    for (let index = 0; index < 5; index += 1) {
      api.put('a', String(index))
    }
    api.hide(() => api.put('elsewhere', '1'))
    api.bookmark()
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
    api.compact()
    api.resetWatches()
    await eventually(() => api.count('watch')).toBe(2)
    await eventually(() => api.watches).toBe(1)
    expect(api.requests.at(-1)?.query.get('resourceVersion')).toBe(String(api.version))
    expect(api.requests.at(-1)?.query.get('allowWatchBookmarks')).toBe('true')
    expect(api.count('list')).toBe(1)
  })

  it('lists again, from the newest state, when its version is too old to resume', async () => {
    const { api, values, start } = await bed()
    api.put('a', '1')
    await start()
    api.isSilent = true
    api.put('a', '2')
    api.compact()
    api.isSilent = false
    api.resetWatches()
    await eventually(values).toEqual({ a: '2' })
    const lists = api.requests.filter(({ verb }) => verb === 'list')
    expect(lists.map(({ query }) => query.get('resourceVersion'))).toEqual(['0', null])
  })

  it('begins with the newest state where it must, also when that fails at first', async () => {
    const { api, start } = await bed({ firstList: 'Newest' })
    api.refuse({ status: 500, verb: 'list', times: 1 })
    await start()
    api.resetWatches()
    await eventually(() => api.count('watch')).toBe(2)
    const lists = api.requests.filter(({ verb }) => verb === 'list')
    expect(lists.map(({ query }) => query.get('resourceVersion'))).toEqual([null, null])
  })

  it('backs off, and comes right in the end, when every watch is answered with 410', async () => {
    const { api, values, start } = await bed()
    api.put('a', '1')
    await start()
    api.refuse({ status: 410, reason: 'Expired', verb: 'watch', times: 5 })
    api.resetWatches()
    api.put('b', '1')
    await eventually(() => api.count('watch')).toBe(7)
    await eventually(() => api.watches).toBe(1)
    await eventually(values).toEqual({ a: '1', b: '1' })
  })

  it('waits no second time as long when a server that was away answers with 410', async () => {
    const waits: number[] = []
    const { api, values, start } = await bed({
      timing: { backoffMs: [10, 60_000] },
      random: () => 0.99,
      logger: {
        info: () => undefined,
        warn: (fields) => waits.push('waitMs' in fields ? Number(fields.waitMs) : Number.NaN),
      },
    })
    api.put('a', '1')
    await start()
    api.refuse({ status: 0, verb: 'watch', times: 6 })
    api.refuse({ status: 410, reason: 'Expired', verb: 'watch', times: 2 })
    api.resetWatches()
    await eventually(() => api.count('watch')).toBe(10)
    await eventually(() => api.watches).toBe(1)
    // Doubled until it answers, then from the beginning.
    expect(waits.map(Math.round)).toEqual([10, 20, 40, 79, 158, 317, 634, 10, 20])
    expect(values()).toEqual({ a: '1' })
  })

  it('waits as long as 429 asks for', async () => {
    const { api, values, start } = await bed()
    await start()
    api.refuse({ status: 429, retryAfterSeconds: 1, verb: 'watch', times: 1 })
    api.put('a', '1')
    api.resetWatches()
    await eventually(() => api.count('watch')).toBe(3)
    await eventually(() => api.watches).toBe(1)
    const [refused, next] = api.requests.filter(({ verb }) => verb === 'watch').slice(-2)
    expect((next?.atMs ?? 0) - (refused?.atMs ?? 0)).toBeGreaterThanOrEqual(990)
    await eventually(values).toEqual({ a: '1' })
  })

  it('is not started before the first list has come, however often it fails', async () => {
    const { api, reflector } = await bed()
    api.put('a', '1')
    api.refuse({ status: 500, verb: 'list', times: 2 })
    api.refuse({ status: 0, verb: 'list', times: 1 })
    await reflector.start(new AbortController().signal)
    expect(reflector.store.synced).toBe(true)
    expect(reflector.store.list()).toHaveLength(1)
    expect(api.count('list')).toBe(4)
  })

  it('gives up on a list that takes too long, and on starting when told to', async () => {
    const { api, reflector } = await bed({ timing: { listTimeoutMs: 50 } })
    api.slowListMs = 60_000
    const stop = new AbortController()
    const starting = reflector.start(stop.signal)
    await eventually(() => api.count('list')).toBeGreaterThan(1)
    stop.abort()
    await expect(starting).rejects.toThrow('aborted')
  })

  it('notices a watch that has fallen silent', async () => {
    const { api, reconnects, values, start } = await bed({ timing: { inactivityMs: 300 } })
    await start()
    api.isSilent = true
    api.put('a', '1')
    await eventually(() => reconnects).toContain('Silent')
    api.isSilent = false
    await eventually(values).toEqual({ a: '1' })
  })

  it('never goes back in time', async () => {
    const { api, changes, values, start } = await bed()
    const old = api.put('a', 'old')
    const gone = api.put('gone', '1')
    await start()
    api.put('a', 'new')
    api.remove('gone')
    await eventually(values).toEqual({ a: 'new' })
    const sofar = changes.length
    api.say({ type: 'MODIFIED', object: old })
    api.say({ type: 'ADDED', object: gone })
    api.say({ type: 'DELETED', object: old })
    api.put('last', '1')
    await eventually(values).toEqual({ a: 'new', last: '1' })
    expect(changes.slice(sofar).map(({ key }) => key)).toEqual(['default/last'])
  })

  it('believes a state that is older than what it knows only when it stays so', async () => {
    const { api, reflector, values, start } = await bed()
    const old = api.put('a', 'old')
    await start()
    api.put('a', 'new')
    await eventually(values).toEqual({ a: 'new' })
    let listsUntilOld = 0
    reflector.onChange(() => {
      listsUntilOld = api.count('list') - 1
    })
    api.restore([old], Number(old.metadata.resourceVersion))
    api.sayGone()
    // As after the restore of a cluster from its backup.
    await eventually(values).toEqual({ a: 'old' })
    expect(listsUntilOld).toBe(3)
    await eventually(() => api.watches).toBe(1)
    api.put('a', 'newer')
    await eventually(values).toEqual({ a: 'newer' })
  })

  it('takes an object that was deleted and made again for a new one', async () => {
    const { api, reflector, values, start } = await bed()
    api.put('a', '1')
    await start()
    const uid = reflector.store.get('default/a')?.metadata.uid
    api.remove('a')
    api.put('a', '2')
    await eventually(values).toEqual({ a: '2' })
    expect(reflector.store.get('default/a')?.metadata.uid).not.toBe(uid)
  })

  it('finds by audit what the watch kept from it, counts and heals it', async () => {
    const missed: number[] = []
    const { api, values, start } = await bed({
      timing: { auditMs: [100, 100], auditGraceMs: 20 },
      onMissed: (count) => missed.push(count),
    })
    api.put('changed', '1')
    api.put('removed', '1')
    await start()
    api.hide(() => {
      api.put('changed', '2')
      api.put('added', '1')
      api.remove('removed')
    })
    await eventually(values).toEqual({ changed: '2', added: '1' })
    expect(missed).toEqual([3])
    expect(api.watches).toBe(1)
  })

  it('tells when it last heard the server', async () => {
    const { api, reflector, start } = await bed()
    expect(reflector.store.heardAtMs).toBe(-Infinity)
    await start()
    const first = reflector.store.heardAtMs
    api.bookmark()
    await eventually(() => reflector.store.heardAtMs).toBeGreaterThan(first)
  })
})
