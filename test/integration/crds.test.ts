import { describe, expect, test } from 'vitest'
import type { Kind } from '../../src/api/kinds.ts'
import { anObject, change, create, crdFolder, pathOf } from '../support/crd-server.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })

const pool = { model: { uri: 'hf://org/base@main' }, engine: { image: 'vllm/vllm-openai:v0.32.0' } }
const adapter = { poolRefs: [{ name: 'llama' }], source: { uri: 'https://h.example/a.tar.gz' } }
const key = { sha256: 'ab'.repeat(32) }
const wholeKey = `lpx_abcdefghijkl_${'Zz9-'.repeat(10)}abc`

describe('an object that is right is taken', () => {
  const rows: Readonly<Record<string, readonly [Kind, object]>> = {
    'a pool with the least': ['ModelPool', pool],
    'a pool of servers that already run': [
      'ModelPool',
      {
        model: { uri: 'file:///models/base' },
        engine: { endpoints: [{ name: 'a', url: 'http://a:8000' }] },
      },
    ],
    'a pool with all of the cluster': [
      'ModelPool',
      {
        model: {
          uri: 'pvc://weights/llama',
          secretRef: { name: 'hub.token' },
          cache: { persistentVolumeClaim: { claimName: 'weights' } },
        },
        engine: { ...pool.engine, args: ['--enforce-eager', '--max-num-seqs', '64', '-O3'] },
        resources: {
          limits: { 'nvidia.com/gpu': 2, memory: '64Gi' },
          claims: [{ name: 'gpu' }],
        },
        podTemplate: {
          metadata: { labels: { team: 'a' }, annotations: { note: 'kept' } },
          spec: {
            nodeSelector: { gpu: 'h100' },
            tolerations: [{ key: 'gpu', operator: 'Exists' }],
            containers: [
              {
                name: 'vllm',
                env: [{ name: 'A', value: 'b' }],
                ports: [{ containerPort: 9000 }],
                volumeMounts: [{ name: 'extra', mountPath: '/extra' }],
              },
            ],
            volumes: [{ name: 'extra', emptyDir: { sizeLimit: '1Gi' } }],
          },
        },
        scaling: { minReplicas: 0, maxReplicas: 4 },
        rollout: { maxSurge: 0, maxUnavailable: 1 },
        lora: {
          sources: [
            { uriPrefix: 'https://h.example/${namespace}/' },
            { uriPrefix: 'pvc://adapters/', credentials: 'Pool' },
          ],
        },
      },
    ],
    'an adapter with its own Secret': [
      'LoraAdapter',
      { ...adapter, source: { ...adapter.source, secretRef: { name: 'token' } } },
    ],
    'a tenant with nothing said': ['ModelTenant', {}],
    'a key with an end': ['TenantKey', { ...key, expirationTime: '2030-01-31T12:00:00+01:00' }],
  }
  test.each(Object.entries(rows))('%s', async (_name, [kind, spec]) => {
    const { status, body } = await create(api(), anObject(kind, spec), { dryRun: true })
    expect([status, body.message]).toEqual([201, undefined])
    expect(body.status).toEqual({ observedGeneration: -1 })
  })

  test('and a pod template keeps what is in it', async () => {
    const podTemplate = {
      metadata: { labels: { team: 'a' } },
      spec: { containers: [{ name: 'vllm', resources: { limits: { cpu: '1' } } }] },
    }
    const { body } = await create(api(), anObject('ModelPool', { ...pool, podTemplate }), {
      dryRun: true,
    })
    expect(body.spec.podTemplate).toEqual(podTemplate)
  })
})

describe('an object that is wrong is refused, in words', () => {
  const lora = (fields: object) => ({ ...pool, lora: fields })
  const engine = (fields: object) => ({ ...pool, engine: { ...pool.engine, ...fields } })
  const rows: Readonly<Record<string, readonly [Kind, object, string]>> = {
    'no image': [
      'ModelPool',
      { model: pool.model },
      'spec.engine.image: Invalid value: is missing; write an image of vLLM, or engine.endpoints',
    ],
    'an unknown scheme': [
      'ModelPool',
      { ...pool, model: { uri: 'ftp://a/b' } },
      'spec.model.uri: Invalid value: write hf://organisation/name@revision, pvc://claim/path or file:///absolute/folder',
    ],
    'a model without its revision': [
      'ModelPool',
      { ...pool, model: { uri: 'hf://org/base' } },
      'spec.model.uri: Invalid value: write hf://',
    ],
    'a way out of the volume': [
      'ModelPool',
      { ...pool, model: { uri: 'pvc://weights/../other' } },
      'spec.model.uri: Invalid value: has . or .. as a step; write the path without them',
    ],
    'a flag of ours': [
      'ModelPool',
      engine({ args: ['--enforce-eager', '--max_lora=4'] }),
      'spec.engine.args: Invalid value: holds --max_lora, which is not yours to set: set lora.maxLoras',
    ],
    'a flag of ours, short': [
      'ModelPool',
      engine({ args: ['-tp2'] }),
      'spec.engine.args: Invalid value: holds -t, which is not yours to set: set engine.parallelism.tensor',
    ],
    'a model as argument': [
      'ModelPool',
      engine({ args: ['some/model'] }),
      'spec.engine.args: Invalid value: the first entry is no flag',
    ],
    'one server twice': [
      'ModelPool',
      engine({
        endpoints: [
          { name: 'a', url: 'http://a:8000' },
          { name: 'b', url: 'http://a:8000/' },
        ],
      }),
      'spec.engine.endpoints: Invalid value: each url must be another one',
    ],
    'one name twice': [
      'ModelPool',
      engine({
        endpoints: [
          { name: 'a', url: 'http://a:8000' },
          { name: 'a', url: 'http://b:8000' },
        ],
      }),
      'spec.engine.endpoints[1]: Duplicate value',
    ],
    'a small host cache': [
      'ModelPool',
      lora({ maxLoras: 8, maxCpuLoras: 4 }),
      'spec.lora.maxCpuLoras: Invalid value: must be at least maxLoras',
    ],
    'no rank of vLLM': ['ModelPool', lora({ maxRank: 12 }), 'spec.lora.maxRank: Unsupported value'],
    'a prefix without an end': [
      'ModelPool',
      lora({ sources: [{ uriPrefix: 'https://h.example/a' }] }),
      'spec.lora.sources[0].uriPrefix: Invalid value: write file:…, pvc://claim/… or https://host/…, ending in /',
    ],
    'a selector that is missing': [
      'ModelPool',
      { ...pool, allowedNamespaces: { from: 'Selector' } },
      'spec.allowedNamespaces.selector: Invalid value: is needed with from: Selector',
    ],
    'scaling upside down': [
      'ModelPool',
      { ...pool, scaling: { minReplicas: 3, maxReplicas: 2 } },
      'spec.scaling.maxReplicas: Invalid value: must be at least minReplicas',
    ],
    'a rollout that cannot move': [
      'ModelPool',
      { ...pool, rollout: { maxSurge: 0 } },
      'spec.rollout: Invalid value: maxSurge and maxUnavailable must not both be 0',
    ],
    'two volumes for one cache': [
      'ModelPool',
      { ...pool, model: { ...pool.model, cache: { emptyDir: {}, hostPath: { path: '/a' } } } },
      'spec.model.cache: Too many',
    ],
    'a pod template that is none': [
      'ModelPool',
      { ...pool, podTemplate: { spec: { nodeSelector: 'gpu' } } },
      'spec.podTemplate.spec.nodeSelector in body must be of type object',
    ],
    'a container without a name': [
      'ModelPool',
      { ...pool, podTemplate: { spec: { containers: [{ image: 'a' }] } } },
      'spec.podTemplate.spec.containers[0].name: Required value',
    ],
    'a field of a later version': [
      'ModelPool',
      { ...pool, model: { ...pool.model, chatTemplateRef: { name: 'a' } } },
      'spec.model.chatTemplateRef: Invalid value: chatTemplateRef is not supported by this version',
    ],
    'a field from nowhere': ['ModelTenant', { colour: 'red' }, 'unknown field "spec.colour"'],
    'copies upside down': [
      'LoraAdapter',
      { ...adapter, residency: { minCopies: 3, maxCopies: 2 } },
      'spec.residency.maxCopies: Invalid value: must be at least minCopies',
    ],
    'an adapter by a user’s word': [
      'LoraAdapter',
      { ...adapter, source: { uri: 'https://user:word@h.example/a' } },
      'spec.source.uri: Invalid value: write file:///absolute/folder, pvc://claim/path or https://host/file.tar.gz without ? # and user',
    ],
    'two pools': [
      'LoraAdapter',
      { ...adapter, poolRefs: [{ name: 'a' }, { name: 'b' }] },
      'spec.poolRefs: Too many',
    ],
    'a tenant with one namespace twice': [
      'ModelTenant',
      { namespaces: [{ name: 'a' }, { name: 'a' }] },
      'spec.namespaces[1]: Duplicate value',
    ],
    'no time': [
      'TenantKey',
      { ...key, expirationTime: 'tomorrow' },
      'spec.expirationTime: Invalid value: write a time such as 2030-01-31T12:00:00Z',
    ],
    'no spec': ['TenantKey', {}, 'spec.sha256: Required value'],
  }
  test.each(Object.entries(rows))('%s', async (_name, [kind, spec, want]) => {
    const { status, body } = await create(api(), anObject(kind, spec), { dryRun: true })
    expect(status, JSON.stringify(body)).toBeGreaterThanOrEqual(400)
    // The API server names the type of what was written; that says nothing to a reader of this table.
    expect(
      String(body.message).replace(/Invalid value: "(object|string|array)": /g, 'Invalid value: '),
    ).toContain(want)
  })

  test.each([
    ['a'.repeat(41), 'metadata.name: Too long: may not be more than 40'],
    ['a.b', 'lower-case letters, digits and hyphens, a letter or digit at both ends'],
  ])('a name that leaves no room for those made from it: %s', async (name, want) => {
    const { status, body } = await create(api(), anObject('ModelPool', pool, name))
    expect([status, body.message]).toEqual([422, expect.stringContaining(want)])
  })

  test.each(['sha256', 'id'])(
    'a key in the place of its %s is not repeated (I14)',
    async (field) => {
      const { status, body } = await create(
        api(),
        anObject('TenantKey', { ...key, [field]: wholeKey }),
      )
      expect(status).toBe(422)
      expect(JSON.stringify(body)).not.toContain(wholeKey)
    },
  )
})

describe('a change', () => {
  const rows: Readonly<Record<string, readonly [Kind, object, object, string | undefined]>> = {
    'of the revision of the base': [
      'ModelPool',
      pool,
      { model: { uri: 'hf://org/base@v2' } },
      undefined,
    ],
    'of the base': [
      'ModelPool',
      pool,
      { model: { uri: 'hf://org/other@main' } },
      'spec.model.uri: Invalid value: only the revision of hf:// may change',
    ],
    'from the hub to a volume': [
      'ModelPool',
      pool,
      { model: { uri: 'pvc://weights/base' } },
      'spec.model.uri: Invalid value: only the revision of hf:// may change',
    ],
    'from emptyDir to a volume, field by field': [
      'ModelPool',
      pool,
      { model: { cache: { persistentVolumeClaim: { claimName: 'a' } } } },
      undefined,
    ],
    'of the pool': [
      'LoraAdapter',
      adapter,
      { poolRefs: [{ name: 'other' }] },
      'spec.poolRefs: Invalid value: cannot change',
    ],
    'of the source': ['LoraAdapter', adapter, { source: { uri: 'pvc://a/b' } }, undefined],
    'of the hash': [
      'TenantKey',
      key,
      { sha256: 'cd'.repeat(32) },
      'spec.sha256: Invalid value: cannot change',
    ],
    'of the id that was not there': [
      'TenantKey',
      key,
      { id: 'abc' },
      'id cannot change: another key is another TenantKey',
    ],
    'of the tenant': [
      'TenantKey',
      { ...key, tenantRef: { name: 'acme' } },
      { tenantRef: { name: 'globex' } },
      'tenantRef cannot change: another key is another TenantKey',
    ],
    'to revoked': ['TenantKey', key, { revoked: true }, undefined],
    'back from revoked': [
      'TenantKey',
      { ...key, revoked: true },
      { revoked: false },
      'spec.revoked: Invalid value: a revoked key stays revoked',
    ],
    'that forgets that it was revoked': [
      'TenantKey',
      { ...key, revoked: true },
      { revoked: null },
      'spec.revoked: Invalid value: a revoked key stays revoked',
    ],
  }
  test.each(Object.entries(rows))('%s', async (name, [kind, spec, patch, refusal]) => {
    const object = anObject(
      kind,
      spec,
      name
        .replaceAll(/[^a-z]+/g, '-')
        .slice(0, 40)
        .replace(/-$/, ''),
    )
    expect((await create(api(), object)).status).toBe(201)
    const { status, body } = await change(api(), object, { spec: patch })
    expect(status).toBe(refusal === undefined ? 200 : 422)
    if (refusal !== undefined) {
      expect(
        String(body.message)
          .replaceAll('Invalid value: "string": ', 'Invalid value: ')
          .replaceAll(/"(object|array|boolean)": /g, ''),
      ).toContain(refusal)
    }
  })

  test('of the status leaves the generation, one of the spec raises it', async () => {
    const object = anObject('LoraAdapter', adapter, 'generations')
    await create(api(), object)
    const status = { observedGeneration: 1, copies: { routable: 1, wanted: 1 } }
    const path = pathOf(object, '/status')
    const written = await api().ask('PATCH', path, { status, spec: { suspend: true } })
    expect(written.body).toMatchObject({
      metadata: { generation: 1 },
      spec: { suspend: false },
      status,
    })
    const changed = await change(api(), object, { spec: { suspend: true }, status: { rank: 3 } })
    expect(changed.body.metadata.generation).toBe(2)
    expect(changed.body.status).not.toHaveProperty('rank')
  })
})
