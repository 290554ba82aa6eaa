import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { FileReading, FolderScan } from './folder-scan.ts'
import type { HeldState } from './held-object.ts'
import { readObject, type ReadObject } from './read-object.ts'
import { reconcile, type Reconciled } from './reconcile.ts'

const empty: HeldState = { objects: new Map(), revokedKeys: new Set() }
const start = { line: 1, column: 1 }

function scanOf(files: Record<string, readonly unknown[] | 'broken' | 'pending'>): FolderScan {
  const readings = Object.entries(files).map(([file, content], index): [string, FileReading] => [
    file,
    content === 'broken'
      ? {
          outcome: 'Broken',
          problem: { position: start, message: 'is broken', severity: 'Error' },
          text: 'a name: b [',
        }
      : content === 'pending'
        ? { outcome: 'Pending' }
        : { outcome: 'Read', mtimeMs: index, objects: content.map(documentOf) },
  ])
  return { files: new Map(readings), unreadable: new Map() }
}

function documentOf(raw: unknown): ReadObject {
  return readObject({ raw, locate: () => start })
}

let uids = 0
function after(before: HeldState | Reconciled, scan: FolderScan): Reconciled {
  const state = 'state' in before ? before.state : before
  return reconcile(state, scan, {
    folder: '/models',
    nowMs: 1000,
    newUid: () => `uid-${(uids += 1)}`,
  })
}

const apiVersion = 'loraplex.dev/v1alpha1'
function tenant(name: string, spec: object = {}): object {
  return { apiVersion, kind: 'ModelTenant', metadata: { name }, spec }
}
function adapter(name: string, uri: string, pool = 'base'): object {
  return {
    apiVersion,
    kind: 'LoraAdapter',
    metadata: { name },
    spec: { poolRefs: [{ name: pool }], source: { uri } },
  }
}
function key(sha: string, spec: object = {}): object {
  return {
    apiVersion,
    kind: 'TenantKey',
    metadata: { name: 'k' },
    spec: { sha256: sha.repeat(64), ...spec },
  }
}

function held(result: Reconciled, identity: string) {
  return result.state.objects.get(identity)
}
function words(result: Reconciled): string {
  return result.problems.map(({ where, message }) => `${where} ${message}`).join('\n')
}

describe('an object follows its document', () => {
  test('a changed spec raises the generation, a changed label does not', () => {
    const first = after(empty, scanOf({ 'a.yaml': [adapter('x', 'file:./1')] }))
    const second = after(first, scanOf({ 'a.yaml': [adapter('x', 'file:./2')] }))
    const labelled = {
      ...adapter('x', 'file:./2'),
      metadata: { name: 'x', labels: { team: 'blue' } },
    }
    const third = after(second, scanOf({ 'a.yaml': [labelled] }))
    const generations = [first, second, third].map(
      (result) => held(result, 'LoraAdapter/default/x')?.generation,
    )
    expect(generations).toEqual([1, 2, 2])
    expect(held(third, 'LoraAdapter/default/x')?.resource.value).toMatchObject({
      metadata: { labels: { team: 'blue' }, uid: held(first, 'LoraAdapter/default/x')?.uid },
    })
  })

  test('an unchanged one stays the same value', () => {
    const first = after(empty, scanOf({ 'a.yaml': [tenant('t')] }))
    const second = after(first, scanOf({ 'a.yaml': [tenant('t')] }))
    expect(held(second, 'ModelTenant/t')?.resource.value).toBe(
      held(first, 'ModelTenant/t')?.resource.value,
    )
  })

  test('moved to another file, it moves at once; elsewhere a relative path means another place', () => {
    const first = after(empty, scanOf({ 'a.yaml': [adapter('x', 'file:./1')] }))
    const renamed = after(first, scanOf({ 'b.yaml': [adapter('x', 'file:./1')] }))
    expect(held(renamed, 'LoraAdapter/default/x')).toMatchObject({
      file: 'b.yaml',
      generation: 1,
      scansGone: 0,
    })
    const moved = after(renamed, scanOf({ 'sub/b.yaml': [adapter('x', 'file:./1')] }))
    expect(held(moved, 'LoraAdapter/default/x')).toMatchObject({
      file: 'sub/b.yaml',
      generation: 2,
    })
  })
})

describe('what is wrong changes nothing but the problems', () => {
  test('an object in a broken file, an invalid object, a document without a name', () => {
    const first = after(empty, scanOf({ 'a.yaml': [tenant('t'), tenant('u')] }))
    for (const content of [
      'broken',
      'pending',
      [tenant('t', { wight: 1 }), tenant('u')],
      [{ apiVersion, kind: 'ModelTenant', metadata: {}, spec: {} }, tenant('u')],
    ] as const) {
      const once = after(first, scanOf({ 'a.yaml': content }))
      const twice = after(once, scanOf({ 'a.yaml': content }))
      const thrice = after(twice, scanOf({ 'a.yaml': content }))
      expect([...thrice.state.objects.keys()]).toEqual(['ModelTenant/t', 'ModelTenant/u'])
      expect(thrice.problems.length).toBe(content === 'pending' ? 0 : 1)
    }
  })

  test('a folder that cannot be listed keeps what is below it', () => {
    const first = after(empty, scanOf({ 'sub/a.yaml': [tenant('t')], 'b.yaml': [tenant('u')] }))
    const unreadable = {
      files: new Map(),
      unreadable: new Map([['sub', 'cannot be read (EACCES)']]),
    }
    const later = after(after(after(first, unreadable), unreadable), unreadable)
    expect([...later.state.objects.keys()]).toEqual(['ModelTenant/t'])
    expect(words(later)).toContain('folder sub cannot be read (EACCES)')
  })

  test('the same object in two files: the older one counts, until it lets go', () => {
    const first = after(empty, scanOf({ 'z.yaml': [tenant('t')] }))
    const both = after(
      first,
      scanOf({ 'a.yaml': [tenant('t', { suspend: true })], 'z.yaml': [tenant('t')] }),
    )
    expect(held(both, 'ModelTenant/t')).toMatchObject({ file: 'z.yaml', generation: 1 })
    expect(words(both)).toContain('a.yaml:1:1 ModelTenant/t is also in z.yaml')
    const alone = scanOf({ 'a.yaml': [tenant('t', { suspend: true })] })
    const letGo = after(both, alone)
    expect(held(letGo, 'ModelTenant/t')?.file).toBe('z.yaml')
    expect(held(after(letGo, alone), 'ModelTenant/t')).toMatchObject({
      file: 'a.yaml',
      generation: 2,
      uid: held(first, 'ModelTenant/t')?.uid,
    })
  })

  test('twice in one file: the first counts', () => {
    const result = after(empty, scanOf({ 'a.yaml': [tenant('t'), tenant('t', { suspend: true })] }))
    expect(held(result, 'ModelTenant/t')?.declared).toMatchObject({ spec: { suspend: false } })
    expect(words(result)).toContain('in this file twice')
  })

  test.each([
    ['the hash of a key', key('a'), key('b'), 'spec.sha256'],
    [
      'the pool of an adapter',
      adapter('x', 'file:./1'),
      adapter('x', 'file:./1', 'other'),
      'spec.poolRefs',
    ],
    [
      'the base of a pool',
      {
        apiVersion,
        kind: 'ModelPool',
        metadata: { name: 'p' },
        spec: { model: { uri: 'file:./a' } },
      },
      {
        apiVersion,
        kind: 'ModelPool',
        metadata: { name: 'p' },
        spec: { model: { uri: 'file:./b' }, paused: true },
      },
      'spec.model.uri',
    ],
  ])('%s cannot change: the old form stays whole', (_name, before, next, field) => {
    const first = after(empty, scanOf({ 'a.yaml': [before] }))
    const second = after(first, scanOf({ 'a.yaml': [next] }))
    expect([...second.state.objects.values()]).toEqual([...first.state.objects.values()])
    expect(words(second)).toContain(`\`${field}\` cannot change`)
  })

  test('the pool may be written another way, and a base by another path to the same place', () => {
    const pool = (uri: string) => ({
      apiVersion,
      kind: 'ModelPool',
      metadata: { name: 'p' },
      spec: { model: { uri } },
    })
    const spelled = {
      ...adapter('x', 'file:./1'),
      spec: { poolRefs: [{ name: 'base', namespace: 'default' }], source: { uri: 'file:./1' } },
    }
    const first = after(empty, scanOf({ 'a.yaml': [adapter('x', 'file:./1'), pool('file:./m')] }))
    const second = after(first, scanOf({ 'a.yaml': [spelled, pool('file:///models/m/')] }))
    expect(second.problems).toEqual([])
  })

  test('other kinds are told once each', () => {
    const deployment = { apiVersion: 'apps/v1', kind: 'Deployment' }
    const result = after(
      empty,
      scanOf({ 'a.yaml': [deployment, deployment], 'b.yaml': [deployment] }),
    )
    expect(result.problems).toEqual([
      {
        where: 'a.yaml:1:1',
        message: 'apps/v1 Deployment is none of our kinds: skipped (3 here)',
        severity: 'Notice',
      },
    ])
  })
})

describe('a revoked key stays revoked', () => {
  test.each([
    ['its file says otherwise', [key('a', { revoked: false })]],
    ['it was taken out and put back', []],
  ])('though %s', (_name, between) => {
    const revoked = after(empty, scanOf({ 'a.yaml': [key('a', { revoked: true })] }))
    const later = after(
      after(revoked, scanOf({ 'a.yaml': between })),
      scanOf({ 'a.yaml': between }),
    )
    const back = after(later, scanOf({ 'a.yaml': [key('a')] }))
    expect(held(back, 'TenantKey/default/k')?.resource.value).toMatchObject({
      spec: { revoked: true },
    })
    expect(words(back)).toContain('was revoked and stays so')
  })

  test('another key of that name is another key', () => {
    const revoked = after(empty, scanOf({ 'a.yaml': [key('a', { revoked: true })] }))
    const gone = after(after(revoked, scanOf({})), scanOf({}))
    const other = after(gone, scanOf({ 'a.yaml': [key('b')] }))
    expect(held(other, 'TenantKey/default/k')?.resource.value).toMatchObject({
      spec: { revoked: false },
    })
  })
})

const content = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom('broken' as const, 'pending' as const) },
  {
    weight: 4,
    arbitrary: fc.array(
      fc.record({
        name: fc.constantFrom('a', 'b', 'c', undefined),
        suspend: fc.constantFrom(true, false, 'wrong'),
      }),
      { maxLength: 3 },
    ),
  },
)
const folder = fc.dictionary(fc.constantFrom('1.yaml', '2.yaml', '3.yaml'), content)

test('an object goes only when its document is gone from two scans, and then it does go', () => {
  fc.assert(
    fc.property(fc.array(folder, { maxLength: 12 }), (steps) => {
      let now: Reconciled = { state: empty, problems: [], isLookPending: false }
      let missing = new Map<string, number>()
      for (const files of steps) {
        const before = now
        now = after(
          before,
          scanOf(
            Object.fromEntries(
              Object.entries(files).map(([file, docs]) => [
                file,
                typeof docs === 'string'
                  ? docs
                  : docs.map(({ name, suspend }) => ({
                      apiVersion,
                      kind: 'ModelTenant',
                      metadata: { name },
                      spec: { suspend },
                    })),
              ]),
            ),
          ),
        )
        const all = Object.values(files)
        const documents = all.flatMap((docs) => (typeof docs === 'string' ? [] : docs))
        const isAllKnown = all.every(
          (docs) => typeof docs !== 'string' && docs.every(({ name }) => name !== undefined),
        )
        missing = new Map(
          ['a', 'b', 'c'].map((name) => [
            name,
            documents.some((doc) => doc.name === name) ? 0 : (missing.get(name) ?? 0) + 1,
          ]),
        )
        for (const name of ['a', 'b', 'c']) {
          const identity = `ModelTenant/${name}`
          const was = held(before, identity)
          const is = held(now, identity)
          if (was !== undefined && is === undefined) {
            expect(missing.get(name)).toBeGreaterThanOrEqual(2)
          }
          if (was !== undefined && is !== undefined) {
            expect(is.uid).toBe(was.uid)
            expect(is.generation).toBeGreaterThanOrEqual(was.generation)
          }
          const first = Object.values(files).flatMap((docs) =>
            typeof docs === 'string' ? [] : docs.filter((doc) => doc.name === name).slice(0, 1),
          )
          if (first.some((doc) => doc.suspend !== 'wrong')) {
            expect(is).toBeDefined()
          }
          if (isAllKnown && (missing.get(name) ?? 0) >= 2 && was?.scansGone === 1) {
            expect(is).toBeUndefined()
          }
        }
        expect(now.isLookPending).toBe(
          [...now.state.objects.values()].some(({ scansAway }) => scansAway > 0),
        )
      }
      const end = after(after(now, scanOf({})), scanOf({}))
      expect(end.state.objects.size).toBe(0)
    }),
    { numRuns: 500 },
  )
})
