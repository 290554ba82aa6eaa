import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ObjectStore } from './object-store.ts'
import type { KubeObject, StoreChange } from './types.ts'

interface Happened {
  readonly object: KubeObject
  readonly isDeleted: boolean
}

/** What really happened to a few objects, one version after another. */
function historyOf(steps: readonly { readonly name: string; readonly isDelete: boolean }[]) {
  const living = new Map<string, string>()
  const events: Happened[] = []
  steps.forEach(({ name, isDelete }, index) => {
    const uid = living.get(name)
    if (isDelete && uid === undefined) {
      return
    }
    const object = {
      metadata: { name, uid: uid ?? `uid-${index}`, resourceVersion: String(10 + index) },
    }
    events.push({ object, isDeleted: isDelete })
    if (isDelete) {
      living.delete(name)
    } else {
      living.set(name, object.metadata.uid)
    }
  })
  return events
}

function stateAfter(events: readonly Happened[]): readonly KubeObject[] {
  const objects = new Map<string, KubeObject>()
  for (const { object, isDeleted } of events) {
    objects.delete(object.metadata.name)
    if (!isDeleted) {
      objects.set(object.metadata.name, object)
    }
  }
  return [...objects.values()]
}

const steps = fc.array(
  fc.record({ name: fc.constantFrom('a', 'b', 'c'), isDelete: fc.boolean() }),
  { minLength: 1, maxLength: 25 },
)

describe('a store', () => {
  it('never goes back, however events are repeated, mixed up and lost, and a list sets it right', () => {
    fc.assert(
      fc.property(steps, fc.array(fc.nat(24), { maxLength: 60 }), (plan, deliveries) => {
        const events = historyOf(plan)
        const store = new ObjectStore<KubeObject>({ now: () => 0 })
        const newest = new Map<string, number>()
        const gone = new Map<string, number>()
        const check = (change: StoreChange<KubeObject> | undefined): void => {
          const { uid = '', resourceVersion } = change?.after?.metadata ?? {}
          const version = Number(resourceVersion)
          if (change?.after !== undefined) {
            expect(version).toBeGreaterThan(newest.get(uid) ?? 0)
            expect(version).toBeGreaterThan(gone.get(uid) ?? 0)
            newest.set(uid, version)
          }
        }
        for (const index of deliveries) {
          const event = events[index % Math.max(1, events.length)]
          if (event?.isDeleted === true) {
            check(store.remove(event.object))
            const { uid = '', resourceVersion } = event.object.metadata
            gone.set(uid, Number(resourceVersion))
          } else if (event !== undefined) {
            check(store.put(event.object))
          }
        }
        const items = stateAfter(events)
        for (const change of store.replace({ items, resourceVersion: '1000' })) {
          check(change)
        }
        const versions = (objects: readonly KubeObject[]) =>
          objects.map(({ metadata }) => Number(metadata.resourceVersion)).toSorted((a, b) => a - b)
        expect(versions(store.list())).toEqual(versions(items))
        expect(store.compare({ items, resourceVersion: '1000' })).toEqual({ changed: [], gone: [] })
      }),
      { numRuns: 1_000 },
    )
  })

  it('takes what comes where versions are no numbers', () => {
    const store = new ObjectStore<KubeObject>({ now: () => 0 })
    const object = (resourceVersion: string) => ({
      metadata: { name: 'a', uid: 'u', resourceVersion },
    })
    store.put(object('xyz'))
    store.put(object('abc'))
    expect(store.get('a')?.metadata.resourceVersion).toBe('abc')
  })

  it('lets an object return to a selection that it had left', () => {
    const store = new ObjectStore<KubeObject>({ now: () => 0 })
    const object = (resourceVersion: string) => ({
      metadata: { name: 'a', uid: 'u', resourceVersion },
    })
    store.put(object('5'))
    store.remove(object('6'))
    store.put(object('5'))
    expect(store.list()).toEqual([])
    store.put(object('7'))
    expect(store.list()).toHaveLength(1)
  })
})
