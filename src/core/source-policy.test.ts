import { describe, expect, test } from 'vitest'
import { aPool } from '../../test/support/builders.ts'
import { judgeSource } from './source-policy.ts'

interface Row {
  readonly namespace: string
  readonly place: string
  readonly prefixes?: readonly string[]
  readonly wantAllowed: boolean
}

const rows: Record<string, Row> = {
  'without a list the pool’s own namespace may take files from anywhere': {
    namespace: 'models',
    place: '/anywhere/adapter',
    wantAllowed: true,
  },
  'without a list other namespaces may take none': {
    namespace: 'acme',
    place: '/adapters/acme',
    wantAllowed: false,
  },
  'a folder below a prefix is allowed': {
    namespace: 'acme',
    place: '/adapters/acme/v1',
    prefixes: ['/adapters'],
    wantAllowed: true,
  },
  'the prefix itself is no adapter': {
    namespace: 'acme',
    place: '/adapters',
    prefixes: ['/adapters'],
    wantAllowed: false,
  },
  'a folder whose name only begins like the prefix is not below it': {
    namespace: 'acme',
    place: '/adapters-secret/v1',
    prefixes: ['/adapters'],
    wantAllowed: false,
  },
  '${namespace} stands for the adapter’s own namespace': {
    namespace: 'acme',
    place: '/adapters/acme/v1',
    prefixes: ['/adapters/${namespace}'],
    wantAllowed: true,
  },
  '${namespace} does not stand for another’s': {
    namespace: 'acme',
    place: '/adapters/globex/v1',
    prefixes: ['/adapters/${namespace}'],
    wantAllowed: false,
  },
  'without a list https may be from anywhere': {
    namespace: 'acme',
    place: 'https://h.example/a',
    wantAllowed: true,
  },
  'without a list a volume is for the pool’s own namespace': {
    namespace: 'acme',
    place: 'pvc://weights/a',
    wantAllowed: false,
  },
  'a host whose name only begins like the prefix is another': {
    namespace: 'acme',
    place: 'https://h.example.evil/a',
    prefixes: ['https://h.example'],
    wantAllowed: false,
  },
  'with the root folder as prefix all files are allowed, and nothing else': {
    namespace: 'acme',
    place: 'https://h.example/a',
    prefixes: [''],
    wantAllowed: false,
  },
  'any prefix of several will do': {
    namespace: 'acme',
    place: '/b/x',
    prefixes: ['/a', '/b'],
    wantAllowed: true,
  },
  'an empty list allows nobody, the pool’s own namespace neither': {
    namespace: 'models',
    place: '/adapters/x',
    prefixes: [],
    wantAllowed: false,
  },
}

describe('a pool takes an adapter from a place', () => {
  test.each(Object.entries(rows))('%s', (_sentence, row) => {
    const { namespace, place, prefixes, wantAllowed } = row
    const verdict = judgeSource({
      pool: aPool('llama').build(),
      adapterNamespace: namespace,
      place,
      prefixes: prefixes?.map((prefix) => ({ place: prefix, credentials: 'Adapter' })),
    })
    expect(verdict.allowed).toBe(wantAllowed)
    if (!verdict.allowed) {
      expect(verdict.message).toContain('models/llama')
      expect(verdict.message).toContain('spec.lora.sources')
      expect(verdict.message).not.toContain(place)
    }
  })
})

test('of several prefixes the longest says on whose credentials', () => {
  const judge = (place: string) =>
    judgeSource({
      pool: aPool('llama').build(),
      adapterNamespace: 'acme',
      place,
      prefixes: [
        { place: 'https://h', credentials: 'Anonymous' },
        { place: 'https://h/${namespace}', credentials: 'Pool' },
        { place: 'https://h/acme/own', credentials: 'Adapter' },
      ],
    })
  expect(judge('https://h/x')).toEqual({ allowed: true, credentials: 'Anonymous' })
  expect(judge('https://h/acme/x')).toEqual({ allowed: true, credentials: 'Pool' })
  expect(judge('https://h/acme/own/x')).toEqual({ allowed: true, credentials: 'Adapter' })
})
