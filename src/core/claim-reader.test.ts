import { expect, test } from 'vitest'
import { aPool } from '../../test/support/builders.ts'
import type { ModelPool } from '../api/model-pool.ts'
import { planReader, planReaderPolicy, readerObjectName } from './claim-reader.ts'
import type { WorkloadSettings } from './workload-input.ts'

const settings: WorkloadSettings = {
  image: 'loraplex:1',
  imagePullPolicy: 'IfNotPresent',
  imagePullSecrets: ['mirror'],
  releaseNamespace: 'loraplex',
  depotUrl: 'http://depot:8200',
  agentResources: { requests: { cpu: '100m' } },
  runAsUser: 65_532,
}
const base = aPool('llama').in('models')

// Tests read deep into plain JSON.
// oxlint-disable-next-line typescript/no-explicit-any
type Deep = any

const readerOf = (pool: ModelPool, claim = 'weights'): Deep =>
  planReader({ pool, claim, settings, tokenDigest: 'd1'.repeat(32) })

test('a claim is mounted read-only, by nobody, without an account or a Secret', () => {
  const { spec } = readerOf(base.build()).spec.template
  expect(spec).toMatchObject({
    automountServiceAccountToken: false,
    imagePullSecrets: [{ name: 'mirror' }],
    securityContext: { runAsNonRoot: true, supplementalGroups: [65_532] },
    volumes: [{ persistentVolumeClaim: { claimName: 'weights', readOnly: true } }],
  })
  // It would make the kubelet change whose the files are.
  expect(spec.securityContext).not.toHaveProperty('fsGroup')
  const [container] = spec.containers
  expect(container).toMatchObject({
    image: 'loraplex:1',
    resources: { requests: { cpu: '100m' } },
    securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    volumeMounts: [{ mountPath: '/loraplex/claim', readOnly: true }],
  })
  expect(container.args).toEqual([
    'read-claim',
    '--claim=weights',
    `--token-digest=${'d1'.repeat(32)}`,
  ])
  expect(JSON.stringify(spec)).not.toContain('secretKeyRef')
})

test('claims of one pool, and pools of one claim, have pods of their own', () => {
  const names = [
    readerObjectName('llama', 'a'),
    readerObjectName('llama', 'b'),
    readerObjectName('qwen', 'a'),
  ]
  expect(new Set(names).size).toBe(3)
  const long = `${'c'.repeat(252)}d`
  const { metadata, spec } = readerOf(aPool('p'.repeat(40)).build(), long)
  expect(metadata.name.length).toBeLessThanOrEqual(63)
  expect(metadata.annotations).toEqual({ 'loraplex.dev/claim': long })
  for (const value of Object.values<string>(metadata.labels)) {
    expect(value.length).toBeLessThanOrEqual(63)
  }
  // The selector is of this one, and the engines' is not met.
  expect(spec.selector.matchLabels).toMatchObject({ 'app.kubernetes.io/component': 'reader' })
  expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels)
})

test('it goes where engines may go, beside one if it can', () => {
  const tolerations = [{ key: 'nvidia.com/gpu', operator: 'Exists' }]
  const pool = base.with({ podTemplate: { spec: { tolerations } } }).build()
  const { spec } = readerOf(pool).spec.template
  expect(spec.tolerations).toEqual(tolerations)
  const [preferred] = spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution
  expect(preferred.podAffinityTerm.labelSelector.matchLabels).toMatchObject({
    'app.kubernetes.io/component': 'engine',
  })
  expect(readerOf(base.build()).spec.template.spec).not.toHaveProperty('tolerations')
})

test('the depot of the release reaches it, and it reaches nobody', () => {
  const { spec } = planReaderPolicy(base.build(), settings)
  expect(spec).toMatchObject({
    podSelector: { matchLabels: { 'loraplex.dev/pool': 'llama' } },
    policyTypes: ['Ingress', 'Egress'],
    egress: [],
  })
  expect(spec?.['ingress']).toEqual([
    {
      from: [
        {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'loraplex' } },
          podSelector: { matchLabels: { 'app.kubernetes.io/component': 'depot' } },
        },
      ],
      ports: [{ protocol: 'TCP', port: 8300 }],
    },
  ])
})
