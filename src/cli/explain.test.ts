import { describe, expect, test } from 'vitest'
import type { LoraAdapterStatus } from '../api/condition.ts'
import type { ResourceSnapshot } from '../api/kinds.ts'
import { reconcile } from '../resources/directory/reconcile.ts'
import { snapshotOf } from '../resources/directory/snapshot.ts'
import { readText } from '../resources/directory/read-text.ts'
import { explain } from './explain.ts'

const yaml = `
apiVersion: loraplex.dev/v1alpha1
kind: ModelPool
metadata: {name: llama, namespace: models}
spec: {model: {uri: file:./llama, servedName: meta/llama}}
---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: acme}
spec:
  models:
  - {name: gone, targetRef: {kind: LoraAdapter, name: nothing, namespace: acme}}
---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: asleep}
spec: {suspend: true}
---
apiVersion: loraplex.dev/v1alpha1
kind: ModelTenant
metadata: {name: thrifty}
spec:
  budgets: [{name: monthly, window: Month, amount: '5'}]
  models:
  - {name: base, targetRef: {kind: ModelPool, name: llama, namespace: models}}
---
apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: tickets, namespace: acme}
spec: {poolRefs: [{name: llama, namespace: models}], source: {uri: file:./t}}
---
apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: broken, namespace: acme}
spec: {poolRefs: [{name: llama, namespace: models}], source: {uri: file:./b}}
---
apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: poolless, namespace: acme}
spec: {poolRefs: [{name: other}], source: {uri: file:./t}}
---
apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: theirs, namespace: globex}
spec: {poolRefs: [{name: llama, namespace: models}], source: {uri: file:./t}}
---
apiVersion: loraplex.dev/v1alpha1
kind: TenantKey
metadata: {name: narrow, namespace: acme}
spec: {sha256: ${'a'.repeat(64)}, models: [broken]}
---
apiVersion: loraplex.dev/v1alpha1
kind: TenantKey
metadata: {name: old, namespace: acme}
spec: {sha256: ${'b'.repeat(64)}, revoked: true}
---
apiVersion: loraplex.dev/v1alpha1
kind: TenantKey
metadata: {name: late, namespace: acme}
spec: {sha256: ${'c'.repeat(64)}, expirationTime: "2020-01-01T00:00:00Z"}
`

async function snapshot(): Promise<ResourceSnapshot> {
  const { reading } = await readText(yaml)
  if (reading.outcome === 'Broken') {
    throw new Error(reading.problem.message)
  }
  const scan = {
    files: new Map([['a.yaml', { ...reading, mtimeMs: 0 }]]),
    unreadable: new Map<string, string>(),
  }
  let uid = 0
  const { state, problems } = reconcile({ objects: new Map(), revokedKeys: new Set() }, scan, {
    folder: '/models',
    nowMs: 0,
    newUid: () => String((uid += 1)),
  })
  expect(problems).toEqual([])
  return snapshotOf(state.objects, '/models')
}

function status(ready: 'True' | 'False', reason: string, message = ''): LoraAdapterStatus {
  return {
    observedGeneration: 1,
    conditions: [
      {
        type: 'Ready',
        status: ready,
        reason,
        message,
        observedGeneration: 1,
        lastTransitionTime: '',
      },
    ],
    revisions:
      ready === 'True'
        ? [{ revision: 'f'.repeat(32), digest: '0'.repeat(64), role: 'Active' }]
        : [],
    copies: { routable: 1, wanted: 1 },
  }
}

const statuses: Readonly<Record<string, LoraAdapterStatus>> = {
  'acme/tickets': status('True', 'Ready'),
  'acme/broken': status('False', 'Incompatible', 'The rank is too large.'),
}

describe('what a caller gets, and why', () => {
  test.each([
    [
      'acme',
      'tickets',
      undefined,
      'stands for LoraAdapter acme/tickets on ModelPool models/llama: Ready.',
    ],
    ['acme', 'acme/tickets', undefined, `Revision ${'f'.repeat(32)} answers.`],
    ['acme', 'broken', 'adapter_failed', 'The rank is too large.'],
    ['acme', 'poolless', 'model_not_found', 'its ModelPool acme/other is not there'],
    ['acme', 'theirs', 'model_not_found', 'no ModelTenant claims namespace globex'],
    ['acme', 'tikets', 'model_not_found', 'Its nearest name is tickets.'],
    ['acme', 'gone', 'model_not_found', '`spec.models` has it, but LoraAdapter acme/nothing'],
    ['acme', 'meta/llama', 'model_not_found', 'the base of ModelPool models/llama'],
    [
      'thrifty',
      'base',
      'price_missing',
      'Its budget monthly is in money, and ModelPool models/llama',
    ],
    ['asleep', 'tickets', 'tenant_suspended', 'The tenant is suspended'],
    ['asleep', 'tickets', 'tenant_suspended', 'belongs to ModelTenant acme'],
    ['acne', 'tickets', 'invalid_api_key', 'Did you mean acme?'],
    ['acme', 'tickets', undefined, 'TenantKey acme/narrow does not allow this name'],
    ['acme', 'tickets', undefined, 'TenantKey acme/old is revoked'],
    ['acme', 'tickets', undefined, 'TenantKey acme/late ended on 2020-01-01T00:00:00Z'],
  ])('%s calls %s: %s, %s', async (tenant, name, code, words) => {
    const input = { snapshot: await snapshot(), statusOf: (key: string) => statuses[key] }
    const explanation = explain(input, tenant, name, Date.now())
    expect(explanation.code).toBe(code)
    expect(explanation.lines.join('\n')).toContain(words)
  })
})
