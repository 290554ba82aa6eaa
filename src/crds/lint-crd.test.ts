import { describe, expect, test } from 'vitest'
import { kinds, type Kind } from '../api/kinds.ts'
import { changedAt } from './at-path.ts'
import { crdOf, type CustomResourceDefinition } from './crd-of.ts'
import { lintCrd } from './lint-crd.ts'

/** The CRD of LoraAdapter with one part of its schema replaced. */
function broken(path: string, change: object, without?: string): CustomResourceDefinition {
  const crd = crdOf('LoraAdapter')
  const [version] = crd.spec.versions
  const openAPIV3Schema = changedAt(version.schema.openAPIV3Schema, path, (found) => {
    const kept = Object.entries(found).filter(([keyword]) => keyword !== without)
    return { ...Object.fromEntries(kept), ...change }
  })
  return { ...crd, spec: { ...crd.spec, versions: [{ ...version, schema: { openAPIV3Schema } }] } }
}

test.each(Object.keys(kinds) as Kind[])('the CRD of %s is as it should be', (kind) => {
  expect(lintCrd(crdOf(kind))).toEqual([])
})

describe('finds', () => {
  const rows: Readonly<Record<string, readonly [string, object, string | undefined, string]>> = {
    'a field without a type': ['spec.suspend', {}, 'type', 'has no type'],
    'a keyword that JSON schema has and a CRD has not': [
      'spec.source',
      { $ref: '#/x' },
      undefined,
      'has keywords of no CRD: $ref',
    ],
    'a closed object': [
      'spec.source',
      { additionalProperties: { type: 'boolean' } },
      undefined,
      'has both properties and additionalProperties',
    ],
    'a union': [
      'spec.baseModel',
      { anyOf: [{ type: 'string' }, { type: 'integer' }] },
      undefined,
      'is a union; only int-or-string may be one',
    ],
    'a text without an end': ['spec.baseModel', {}, 'maxLength', 'is a text without maxLength'],
    'a number without an end': [
      'spec.residency.minCopies',
      {},
      'maximum',
      'is a number without bounds',
    ],
    'a fraction': [
      'spec.residency.minCopies',
      { type: 'number' },
      undefined,
      'is a fraction; write it as text or in smaller units',
    ],
    'a list without an end': ['spec.poolRefs', {}, 'maxItems', 'is a list without maxItems'],
    'a list of no type': [
      'spec.poolRefs',
      {},
      'x-kubernetes-list-type',
      'is a list without x-kubernetes-list-type',
    ],
    'a list of maps without keys': [
      'spec.poolRefs',
      { 'x-kubernetes-list-type': 'map' },
      undefined,
      'needs x-kubernetes-list-map-keys if, and only if, its type is map',
    ],
    'a list of maps whose key may be absent': [
      'spec.poolRefs',
      { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name', 'namespace'] },
      undefined,
      'has keys that may be absent: namespace',
    ],
    'a map without an end': [
      'spec.baseModel',
      { type: 'object', additionalProperties: { type: 'boolean' } },
      undefined,
      'is a map without maxProperties',
    ],
    'a rule without words': [
      'spec.residency',
      { 'x-kubernetes-validations': [{ rule: 'true' }] },
      undefined,
      'has a rule without words',
    ],
  }
  test.each(Object.entries(rows))('%s', (_name, [path, change, without, want]) => {
    expect(lintCrd(broken(path, change, without))).toEqual([`LoraAdapter.${path} ${want}`])
  })

  test('what is too large for kubectl apply', () => {
    const faults = lintCrd(broken('spec', { description: 'x'.repeat(300_000) }))
    expect(faults).toEqual([expect.stringContaining('are too many for kubectl apply')])
  })
})
