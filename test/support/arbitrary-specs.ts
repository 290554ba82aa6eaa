import * as fc from 'fast-check'
import type { Kind } from '../../src/api/kinds.ts'
import { reservedEngineFlags } from '../../src/api/reserved-engine-flags.ts'

/** Mostly a value that is right, now and then one that is wrong or on the edge. */
function mostly<T>(right: fc.Arbitrary<T>, ...odd: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 40, arbitrary: right },
    { weight: 1, arbitrary: fc.constantFrom(...odd) },
  )
}

const name = mostly(
  fc.constantFrom('a', 'b-1', 'llama'),
  '',
  'A',
  '-a',
  'a-',
  'a'.repeat(41),
  'a.b',
  7,
)
const modelName = mostly(fc.constantFrom('m', 'a/b', 'a:b.c_d-e'), '', 'a@b', '-a', 'a'.repeat(129))
const count = (minimum: number, maximum: number) =>
  mostly(fc.integer({ min: minimum, max: maximum }), minimum - 1, maximum + 1, 1.5, '1')
const flag = mostly(fc.boolean(), 'true', 1)
const secretRef = fc.record({ name: mostly(fc.constantFrom('s', 'a.b'), '', 'A') })
const selector = fc.record(
  {
    matchLabels: mostly(
      fc.dictionary(fc.constantFrom('a', 'b/c'), fc.constantFrom('', 'x'), { maxKeys: 2 }),
      { a: 'x'.repeat(64) },
      { a: 1 },
      Object.fromEntries(Array.from({ length: 17 }, (_none, index) => [`l${index}`, ''])),
    ),
  },
  { requiredKeys: [] },
)

const modelUri = mostly(
  fc.constantFrom(
    'hf://o/n@main',
    'hf://o/n@refs/pr/1',
    'pvc://c',
    'pvc://c/a/b',
    'file:///a',
    'file:./a',
  ),
  'hf://o/n',
  'hf://o/n@a/../b',
  'hf:///n@v',
  'pvc://C/a',
  'pvc://c/./a',
  's3://b/a',
  'file:',
  '',
)
const adapterUri = mostly(
  fc.constantFrom('https://h/a.tar.gz', 'https://h:8443/a%20b', 'pvc://c/a', 'file:../a'),
  'https://h',
  'https://u:p@h/a',
  'https://h/a?b',
  'https://h/a/..',
  'http://h/a',
  'pvc://c',
  'pvc://c/a#b',
  `https://h/${'a'.repeat(2048)}`,
)
const uriPrefix = mostly(
  fc.constantFrom('https://h/', 'https://h/${namespace}/', 'pvc://c/a/', 'file:./a/', 'file:///'),
  'https://h',
  'https://h/a',
  'https://H/',
  'pvc://c/../a/',
  'https://h/%61/',
)

/** Flags of ours however they are written, and flags that are nobody's. */
const engineArg: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.constantFrom(
      '--enforce-eager',
      '--seed=-1',
      '-O3',
      '-cc',
      '--max-num-seqs',
      '--kv-cache-dtype=auto',
    ),
  },
  { weight: 1, arbitrary: reservedFlag() },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '--',
      '64',
      '-t',
      '-tp2',
      '-ta',
      '-asc',
      '-as=1',
      '-qx',
      '--no-',
      '--n',
      '--no-en',
    ),
  },
)

function reservedFlag(): fc.Arbitrary<string> {
  return fc
    .record({
      flag: fc.constantFrom(...Object.keys(reservedEngineFlags)),
      cut: fc.nat(6),
      no: fc.constantFrom('', 'no-', 'no_'),
      end: fc.constantFrom('', '=1', '.a', 'x', '-x'),
      underscore: fc.boolean(),
    })
    .map(({ flag: whole, cut, no, end, underscore }) => {
      const written = whole.slice(0, Math.max(1, whole.length - cut))
      return `--${no}${underscore ? written.replaceAll('-', '_') : written}${end}`
    })
}

const optional = { requiredKeys: [] }

const limits = fc.record(
  {
    requestsPerMinute: count(0, 100),
    tokensPerMinute: count(0, 1_000_000_000_000),
    concurrentRequests: count(0, 1_000_000),
    maxQueueSeconds: count(0, 3600),
  },
  optional,
)
const money = mostly(fc.constantFrom('0', '12.5', '999999.999999999'), '', '-1', '1.', '1e3', 5)
const budget = fc.record(
  {
    name,
    window: mostly(fc.constantFrom('Day', 'Month'), 'Week'),
    timeZone: mostly(
      fc.constantFrom('UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires'),
      'Europe/Nowhere',
      '+02:00',
      '',
    ),
    tokens: count(0, 1_000_000),
    amount: money,
    action: mostly(fc.constantFrom('Block', 'Warn'), 'Allow'),
  },
  { requiredKeys: ['name', 'window'] },
)

const pool = fc.record(
  {
    model: fc.record(
      {
        uri: modelUri,
        secretRef,
        servedName: modelName,
        baseModelNames: fc.array(mostly(fc.constant('org/base'), '', 'a'.repeat(257)), {
          maxLength: 2,
        }),
        task: mostly(fc.constant('Generate'), 'Embed'),
        inputs: mostly(
          fc.constantFrom(['Text'], ['Text', 'Image'], ['Image', 'Text']),
          [],
          ['Image'],
          ['Text', 'Text'],
          ['Text', 'Audio'],
        ),
        maxModelLen: count(1, 10_000_000),
      },
      { requiredKeys: ['uri'] },
    ),
    engine: fc.record(
      {
        image: mostly(fc.constant('vllm:v1'), '', 'a b'),
        version: mostly(fc.constantFrom('0.32', '0.32.1'), 'v1', 0.32),
        args: fc.array(engineArg, { maxLength: 3 }),
        parallelism: fc.record({ tensor: count(1, 64), pipeline: count(1, 64) }, optional),
        startupTimeoutSeconds: count(1, 86_400),
        endpoints: fc.array(
          fc.record({
            name,
            url: mostly(
              fc.constantFrom('http://a', 'http://b:1/', 'http://b:1'),
              'b',
              'http://a/v1',
            ),
          }),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: ['image'] },
    ),
    lora: fc.record(
      {
        maxLoras: count(1, 512),
        maxCpuLoras: mostly(fc.constantFrom(512, 1000), 3),
        maxRank: mostly(fc.constantFrom(1, 16, 512), 12, '16'),
        sources: fc.array(
          fc.record(
            {
              uriPrefix,
              credentials: mostly(fc.constantFrom('Adapter', 'Pool', 'Anonymous'), 'None'),
            },
            { requiredKeys: ['uriPrefix'] },
          ),
          { maxLength: 3 },
        ),
      },
      { requiredKeys: ['maxCpuLoras'] },
    ),
    replicas: count(0, 64),
    scaling: fc.record(
      { minReplicas: count(0, 8), maxReplicas: count(1, 64) },
      { requiredKeys: ['maxReplicas'] },
    ),
    rollout: fc.record({ maxSurge: count(0, 4), maxUnavailable: count(0, 4) }, optional),
    allowedNamespaces: fc.record(
      { from: mostly(fc.constantFrom('Same', 'All', 'Selector'), 'all'), selector },
      optional,
    ),
    pricing: fc.record(
      {
        gpuHour: money,
        inputPerMillionTokens: money,
        cachedInputPerMillionTokens: money,
        outputPerMillionTokens: money,
      },
      optional,
    ),
    paused: flag,
  },
  { requiredKeys: ['model', 'engine'] },
)

const adapter = fc.record(
  {
    poolRefs: fc.array(fc.record({ name, namespace: name }, { requiredKeys: ['name'] }), {
      minLength: 1,
      maxLength: 1,
    }),
    modelName,
    source: fc.record(
      {
        uri: adapterUri,
        secretRef,
        digest: mostly(fc.constantFrom('a'.repeat(64), `sha256:${'0'.repeat(64)}`), 'abc'),
      },
      { requiredKeys: ['uri'] },
    ),
    baseModel: mostly(fc.constant('org/base'), ''),
    residency: fc.record({ minCopies: count(0, 4), maxCopies: count(1, 8) }, optional),
    suspend: flag,
  },
  { requiredKeys: ['poolRefs', 'source'] },
)

const tenant = fc.record(
  {
    namespaces: fc.array(fc.record({ name, selector }, { requiredKeys: ['name'] }), {
      maxLength: 2,
    }),
    models: fc.array(
      fc.record(
        {
          name: modelName,
          targetRef: fc.record({
            kind: mostly(fc.constantFrom('ModelPool', 'LoraAdapter'), 'Pod'),
            name,
            namespace: name,
          }),
          limits,
        },
        { requiredKeys: ['name', 'targetRef'] },
      ),
      { maxLength: 2 },
    ),
    limits,
    perUser: limits,
    weight: mostly(fc.integer({ min: 1, max: 1000 }), 0, 1001, 1.5),
    adapterQuota: fc.record(
      {
        count: mostly(fc.nat({ max: 1000 }), -1),
        reservedCopies: mostly(fc.nat({ max: 1000 }), -1),
        storage: mostly(fc.constantFrom('50Gi', '500M', '0'), '50GB', '', 'Gi', 5),
      },
      optional,
    ),
    budgets: fc.array(budget, { maxLength: 2 }),
    suspend: flag,
  },
  optional,
)

const key = fc.record(
  {
    sha256: mostly(fc.constant('ab'.repeat(32)), 'AB'.repeat(32), 'ab', ''),
    id: mostly(fc.constantFrom('a', 'A_b-1'), '', 'a b', `lpx_a_${'b'.repeat(43)}`),
    tenantRef: fc.record({ name }),
    expirationTime: mostly(
      fc.constantFrom('2030-01-31T12:00:00Z', '2028-02-29T00:00:00.123+01:00'),
      '2030-02-30T00:00:00Z',
      '2030-01-31',
      '2030-01-31 12:00:00Z',
      '2030-01-31T12:00:00',
    ),
    revoked: flag,
    models: fc.array(modelName, { maxLength: 2 }),
    limits,
  },
  { requiredKeys: ['sha256'] },
)

/** Specs of a kind around the border between right and wrong, without the types of Kubernetes' own. */
export const arbitrarySpecs: Readonly<Record<Kind, fc.Arbitrary<object>>> = {
  ModelPool: pool,
  LoraAdapter: adapter,
  ModelTenant: tenant,
  TenantKey: key,
}
