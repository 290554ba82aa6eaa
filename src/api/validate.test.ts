import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fieldProblemText } from './field-problem.ts'
import { validateObject } from './validate.ts'

const pool = {
  apiVersion: 'loraplex.dev/v1alpha1',
  kind: 'ModelPool',
  metadata: { name: 'llama', namespace: 'models' },
  spec: { model: { uri: 'file:./llama' } },
}
const adapter = {
  apiVersion: 'loraplex.dev/v1alpha1',
  kind: 'LoraAdapter',
  metadata: { name: 'tickets' },
  spec: { poolRefs: [{ name: 'llama' }], source: { uri: 'file:./tickets' } },
}
const tenant = {
  apiVersion: 'loraplex.dev/v1alpha1',
  kind: 'ModelTenant',
  metadata: { name: 'acme' },
  spec: {},
}
const key = {
  apiVersion: 'loraplex.dev/v1alpha1',
  kind: 'TenantKey',
  metadata: { name: 'laptop', namespace: 'acme' },
  spec: { sha256: 'ab'.repeat(32) },
}

const secretLooking = `lpx_abcdefghijkl_${'Zz9-'.repeat(10)}abc`

function withSpec(object: object & { spec: object }, spec: object): object {
  return { ...object, spec: { ...object.spec, ...spec } }
}

function words(raw: unknown): readonly string[] {
  return validateObject(raw, { oneMachine: true }).problems.map(fieldProblemText)
}

describe('an object that is right', () => {
  test.each([pool, adapter, tenant, key])('is taken with its defaults: $kind', (raw) => {
    const { resource, problems } = validateObject(raw, { oneMachine: true })
    expect(problems).toEqual([])
    expect(resource?.kind).toBe(raw.kind)
  })

  test('lands in namespace default, a cluster-scoped one in none', () => {
    expect(validateObject(adapter, { oneMachine: true }).resource?.metadata.namespace).toBe(
      'default',
    )
    expect(validateObject(tenant, { oneMachine: true }).resource?.metadata.namespace).toBe('')
  })

  test('may carry what an API server writes, which means nothing here', () => {
    const raw = {
      ...adapter,
      metadata: {
        ...adapter.metadata,
        uid: 'x',
        resourceVersion: '1',
        managedFields: [{}],
        creationTimestamp: null,
        labels: null,
      },
      status: { conditions: [] },
    }
    expect(validateObject(raw, { oneMachine: true })).toMatchObject({
      problems: [],
      resource: { metadata: { name: 'tickets', labels: {} } },
    })
  })

  test('keeps its cluster fields off one machine, and says so', () => {
    const raw = withSpec(pool, {
      resources: { limits: { 'nvidia.com/gpu': 1 } },
      model: { uri: 'file:./llama', cache: { emptyDir: {} } },
      engine: { image: 'vllm/vllm-openai:v0.32.0' },
    })
    const { resource, problems } = validateObject(raw, { oneMachine: true })
    expect(problems.map((problem) => problem.severity)).toEqual(['Notice', 'Notice', 'Notice'])
    expect(problems.map(fieldProblemText)).toContain(
      '`spec.engine.image` means nothing on one machine and is ignored here',
    )
    expect(resource?.spec).not.toHaveProperty('resources')
    expect(resource?.spec).not.toHaveProperty('engine.image')
  })
})

describe('an object that is wrong is refused whole, in words that say what to write', () => {
  const rows: readonly [string, unknown, string][] = [
    [
      'a text',
      'hello',
      'is no object; write apiVersion: loraplex.dev/v1alpha1, kind, metadata and spec',
    ],
    [
      'no version',
      { ...pool, apiVersion: undefined },
      '`apiVersion` is missing; write loraplex.dev/v1alpha1',
    ],
    [
      'another version',
      { ...pool, apiVersion: 'loraplex.dev/v1' },
      '`apiVersion` is "loraplex.dev/v1"; write loraplex.dev/v1alpha1',
    ],
    [
      'a mistyped kind',
      { ...pool, kind: 'ModelPol' },
      '`kind` is "ModelPol"; did you mean ModelPool?',
    ],
    [
      'a kind of the prototype',
      { ...pool, kind: 'constructor' },
      '`kind` is "constructor"; write one of ModelPool, LoraAdapter, ModelTenant, TenantKey',
    ],
    ['no spec', { ...pool, spec: undefined }, '`spec` is missing'],
    [
      'no metadata',
      { ...pool, metadata: undefined },
      '`metadata` is missing; write metadata with a name',
    ],
    [
      'a field in the wrong place',
      { ...pool, lora: {} },
      '`lora` is no field; known here: apiVersion, kind, metadata, spec, status',
    ],
    [
      'mistyped metadata',
      { ...pool, metadata: { name: 'a', lables: {} } },
      '`metadata.lables` is no field; did you mean `labels`?',
    ],
    [
      'a long name',
      { ...pool, metadata: { name: 'a'.repeat(41) } },
      '`metadata.name` has 41 characters; write at most 40',
    ],
    [
      'a bad name',
      { ...pool, metadata: { name: 'Llama' } },
      '`metadata.name` is not right; write lower-case letters, digits and hyphens, a letter or digit at both ends',
    ],
    [
      'a mistyped field',
      withSpec(pool, { lora: { maxLora: 4 } }),
      '`spec.lora.maxLora` is no field; did you mean `maxLoras`?',
    ],
    [
      'a field from nowhere',
      withSpec(adapter, { colour: 'red' }),
      '`spec.colour` is no field; known here: poolRefs, modelName, source, baseModel, residency, suspend',
    ],
    [
      'a number as text',
      withSpec(pool, { lora: { maxLoras: '8' } }),
      '`spec.lora.maxLoras` is a text; write a number, without quotes',
    ],
    [
      'a fraction',
      withSpec(pool, { lora: { maxLoras: 1.5 } }),
      '`spec.lora.maxLoras` is 1.5; write a whole number',
    ],
    [
      'a text as number',
      withSpec(pool, { engine: { version: 0.32 } }),
      '`spec.engine.version` is the number 0.32 and must be a text; write it in quotes, as YAML would otherwise read it differently',
    ],
    [
      'too many',
      withSpec(pool, { replicas: 65 }),
      '`spec.replicas` is 65; write a number of at most 64',
    ],
    [
      'a size without a unit that is known',
      withSpec(tenant, { adapterQuota: { storage: '50GB' } }),
      '`spec.adapterQuota.storage` is not right; write a size such as 50Gi or 500M',
    ],
    [
      'a tenant without a share',
      withSpec(tenant, { weight: 0 }),
      '`spec.weight` is 0; write a number of at least 1',
    ],
    [
      'none of the list',
      withSpec(pool, { lora: { baseModelCheck: 'strict' } }),
      '`spec.lora.baseModelCheck` is "strict"; write one of Warn, Strict',
    ],
    [
      'no rank of vLLM',
      withSpec(pool, { lora: { maxRank: 12 } }),
      '`spec.lora.maxRank` is 12; write one of 1, 8, 16, 32, 64, 128, 256, 320, 512',
    ],
    [
      'a task for later',
      withSpec(pool, { model: { uri: 'file:./x', task: 'Score' } }),
      '`spec.model.task` is "Score"; write one of Generate, Embed',
    ],
    [
      'images where nothing bounds them',
      withSpec(pool, { model: { uri: 'file:./x', inputs: ['Text', 'Image'] } }),
      '`spec.model.maxModelLen` is needed with inputs: [Text, Image]: nothing else bounds the tokens of an image',
    ],
    [
      'images without text',
      withSpec(pool, { model: { uri: 'file:./x', inputs: ['Image'], maxModelLen: 1 } }),
      '`spec.model.inputs` must be [Text] or [Text, Image]',
    ],
    [
      'images to embed',
      withSpec(pool, {
        model: { uri: 'file:./x', inputs: ['Text', 'Image'], maxModelLen: 1, task: 'Embed' },
      }),
      '`spec.model.inputs` may hold Image with task: Generate only',
    ],
    [
      'an empty field',
      withSpec(key, { models: null }),
      '`spec.models` has no value; write one or leave the field out',
    ],
    [
      'a missing field',
      withSpec(adapter, { source: {} }),
      '`spec.source.uri` is missing; write a text',
    ],
    [
      'two pools',
      withSpec(adapter, { poolRefs: [{ name: 'a' }, { name: 'b' }] }),
      '`spec.poolRefs` has 2 entries; write exactly 1',
    ],
    [
      'a map as list',
      withSpec(adapter, { poolRefs: { name: 'a' } }),
      '`spec.poolRefs` is a map; write a list (lines that begin with "- ")',
    ],
    [
      'another scheme',
      withSpec(adapter, { source: { uri: 'hf://a/b' } }),
      '`spec.source.uri` is not right; write file:./folder, file:./file.tar.gz or file:///absolute; other schemes need a cluster',
    ],
    [
      'copies upside down',
      withSpec(adapter, { residency: { minCopies: 3, maxCopies: 2 } }),
      '`spec.residency.maxCopies` is 2; write at least residency.minCopies, which is 3',
    ],
    [
      'a name twice',
      withSpec(tenant, { namespaces: [{ name: 'a' }, { name: 'a' }] }),
      '`spec.namespaces[1].name` is there twice; each must be another one',
    ],
    [
      'a flag of ours',
      withSpec(pool, { engine: { args: ['--enforce-eager', '--no-enable_lora'] } }),
      '`spec.engine.args[1]` holds --no-enable_lora, which is not yours to set: LoRA is always on',
    ],
    [
      'a model as argument',
      withSpec(pool, { engine: { args: ['some/model'] } }),
      '`spec.engine.args[0]` is no flag; write flags such as --enforce-eager, each word an entry of its own',
    ],
    [
      'a budget of nothing',
      withSpec(tenant, { budgets: [{ name: 'a', window: 'Day' }] }),
      '`spec.budgets[0].tokens` is missing; write tokens, amount or both',
    ],
    [
      'a budget in a zone of nowhere',
      withSpec(tenant, {
        budgets: [{ name: 'a', window: 'Day', tokens: 1, timeZone: 'Europe/Nowhere' }],
      }),
      '`spec.budgets[0].timeZone` is no time zone; write one such as Europe/Berlin',
    ],
    [
      'money as a number',
      withSpec(tenant, { budgets: [{ name: 'a', window: 'Month', amount: 12.5 }] }),
      '`spec.budgets[0].amount` is the number 12.5 and must be a text; write it in quotes, as YAML would otherwise read it differently',
    ],
    [
      'half a price',
      withSpec(pool, { pricing: { inputPerMillionTokens: '1' } }),
      '`spec.pricing.outputPerMillionTokens` and inputPerMillionTokens go together; write 0 for what is free',
    ],
    [
      'no time',
      withSpec(key, { expirationTime: 'tomorrow' }),
      '`spec.expirationTime` is not right; write a time such as 2030-01-31T12:00:00Z',
    ],
  ]
  test.each(rows)('%s', (_name, raw, want) => {
    const { resource, problems } = validateObject(raw, { oneMachine: true })
    expect(problems.map(fieldProblemText)).toEqual([want])
    expect(resource).toBeUndefined()
  })

  test.each([
    withSpec(key, { perUser: {} }),
    withSpec(pool, { model: { uri: 'file:///a', chatTemplateRef: { name: 'a' } } }),
  ])('a field of a later version is never dropped in silence', (raw) => {
    expect(words(raw)).toEqual([expect.stringContaining('is not supported by this version')])
    expect(validateObject(raw, { oneMachine: true }).resource).toBeUndefined()
  })

  test.each([withSpec(key, { sha256: secretLooking }), withSpec(key, { id: secretLooking })])(
    'a key in the place of its hash or id is not repeated (I14)',
    (raw) => {
      const text = words(raw).join('\n')
      expect(text).not.toBe('')
      expect(text).not.toContain(secretLooking)
    },
  )
})

describe('a cluster and one machine reach other sources', () => {
  const rows: readonly [object, readonly string[], readonly string[]][] = [
    [
      withSpec(pool, { model: { uri: 'hf://meta-llama/Llama-3.1-8B@main' } }),
      [
        '`spec.model.uri` is not right; write file:///absolute/folder or file:./folder; other schemes need a cluster',
      ],
      ['`spec.engine.image` is missing; write an image of vLLM, or engine.endpoints'],
    ],
    [
      withSpec(pool, { engine: { image: 'v' }, lora: { sources: [{ uriPrefix: 'https://h/' }] } }),
      [
        '`spec.engine.image` means nothing on one machine and is ignored here',
        '`spec.lora.sources[0].uriPrefix` is not right; write file:… ending in /; may hold ${namespace}; other schemes need a cluster',
      ],
      [],
    ],
    [
      withSpec(adapter, { source: { uri: 'pvc://claim/a', secretRef: { name: 's' } } }),
      [
        '`spec.source.secretRef` means nothing on one machine and is ignored here',
        '`spec.source.uri` is not right; write file:./folder, file:./file.tar.gz or file:///absolute; other schemes need a cluster',
      ],
      [],
    ],
    [
      withSpec(adapter, { source: { uri: 'https://host/a/../b' } }),
      [
        '`spec.source.uri` is not right; write file:./folder, file:./file.tar.gz or file:///absolute; other schemes need a cluster',
        '`spec.source.uri` has . or .. as a step; write the path without them',
      ],
      ['`spec.source.uri` has . or .. as a step; write the path without them'],
    ],
  ]
  test.each(rows)('%#', (raw, onOneMachine, inCluster) => {
    expect(words(raw)).toEqual(onOneMachine)
    expect(validateObject(raw, { oneMachine: false }).problems.map(fieldProblemText)).toEqual(
      inCluster,
    )
  })
})

test('whatever comes in, the answer is problems or an object, never an exception', () => {
  const field = fc.oneof(
    fc.constantFrom('apiVersion', 'kind', 'metadata', 'spec', 'model', 'uri', 'name', '__proto__'),
    fc.string(),
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>('loraplex.dev/v1alpha1', 'ModelPool', 'TenantKey', null),
      fc.anything(),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(field, tie('tree'), { maxKeys: 5 }),
    ),
  }))
  fc.assert(
    fc.property(tree, fc.constantFrom(pool, adapter, tenant, key), (value, base) => {
      for (const raw of [value, { ...base, spec: value }, { ...base, metadata: value }]) {
        const { resource, problems } = validateObject(raw, { oneMachine: true })
        const failed = problems.some((problem) => problem.severity === 'Error')
        expect(resource === undefined).toBe(failed)
        problems.map(fieldProblemText)
      }
    }),
  )
})
