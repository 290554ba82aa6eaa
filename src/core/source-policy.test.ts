import { describe, expect, test } from 'vitest'
import { aPool } from '../../test/support/builders.ts'
import { refuseSource } from './source-policy.ts'

interface Row {
  readonly namespace: string
  readonly path: string
  readonly prefixes?: readonly string[]
  readonly wantAllowed: boolean
}

const rows: Record<string, Row> = {
  'without a list the pool’s own namespace may take files from anywhere': {
    namespace: 'models',
    path: '/anywhere/adapter',
    wantAllowed: true,
  },
  'without a list other namespaces may take none': {
    namespace: 'acme',
    path: '/adapters/acme',
    wantAllowed: false,
  },
  'a folder below a prefix is allowed': {
    namespace: 'acme',
    path: '/adapters/acme/v1',
    prefixes: ['/adapters'],
    wantAllowed: true,
  },
  'the prefix itself is no adapter': {
    namespace: 'acme',
    path: '/adapters',
    prefixes: ['/adapters'],
    wantAllowed: false,
  },
  'a folder whose name only begins like the prefix is not below it': {
    namespace: 'acme',
    path: '/adapters-secret/v1',
    prefixes: ['/adapters'],
    wantAllowed: false,
  },
  '${namespace} stands for the adapter’s own namespace': {
    namespace: 'acme',
    path: '/adapters/acme/v1',
    prefixes: ['/adapters/${namespace}'],
    wantAllowed: true,
  },
  '${namespace} does not stand for another’s': {
    namespace: 'acme',
    path: '/adapters/globex/v1',
    prefixes: ['/adapters/${namespace}'],
    wantAllowed: false,
  },
  'any prefix of several will do': {
    namespace: 'acme',
    path: '/b/x',
    prefixes: ['/a', '/b'],
    wantAllowed: true,
  },
  'an empty list allows nobody, the pool’s own namespace neither': {
    namespace: 'models',
    path: '/adapters/x',
    prefixes: [],
    wantAllowed: false,
  },
}

describe('a pool takes an adapter from a place', () => {
  test.each(Object.entries(rows))('%s', (_sentence, { namespace, path, prefixes, wantAllowed }) => {
    const refusal = refuseSource({
      pool: aPool('llama').build(),
      adapterNamespace: namespace,
      path,
      prefixes,
    })
    expect(refusal === undefined).toBe(wantAllowed)
    if (refusal !== undefined) {
      expect(refusal).toContain('models/llama')
      expect(refusal).toContain('spec.lora.sources')
      expect(refusal).not.toContain(path)
    }
  })
})
