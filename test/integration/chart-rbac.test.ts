// Who may do what, asked of a real API server: every cell of service account × verb × resource, granted or not.
import { beforeAll, describe, expect, test } from 'vitest'
import { renderChart } from '../support/chart.ts'
import { apply } from '../support/dry-run.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const release = 'loraplex-system'
const elsewhere = 'models'
const api = sharedApiServer()

const verbs = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
] as const
const read = ['get', 'list', 'watch'] as const
const follow = ['list', 'watch'] as const
/** Server-side apply: a patch, and at first a creation. */
const make = ['create', 'patch'] as const

type Grants = Readonly<Record<string, readonly string[]>>

/** What nobody of ours has any business with, and what a slip would open. */
const neverGranted = [
  'configmaps',
  'persistentvolumeclaims',
  'nodes',
  'replicationcontrollers',
  'endpoints',
  'pods/exec',
  'pods/attach',
  'pods/portforward',
  'pods/log',
  'pods/eviction',
  'pods/ephemeralcontainers',
  'pods/status',
  'serviceaccounts/token',
  'namespaces/finalize',
  'apps/daemonsets',
  'apps/statefulsets',
  'apps/replicasets',
  'apps/deployments/scale',
  'apps/deployments/status',
  'batch/jobs',
  'batch/cronjobs',
  'rbac.authorization.k8s.io/roles',
  'rbac.authorization.k8s.io/rolebindings',
  'rbac.authorization.k8s.io/clusterroles',
  'rbac.authorization.k8s.io/clusterrolebindings',
  'apiextensions.k8s.io/customresourcedefinitions',
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  'certificates.k8s.io/certificatesigningrequests',
  'discovery.k8s.io/endpointslices',
  'autoscaling/horizontalpodautoscalers',
  'loraplex.dev/modelpools/scale',
  'loraplex.dev/modelpools/finalizers',
  'coordination.k8s.io/leases',
]

/** Who comes to the operator's port, and whether that account may. */
const asksWhoComes: Grants = {
  'authentication.k8s.io/tokenreviews': ['create'],
  'authorization.k8s.io/subjectaccessreviews': ['create'],
}

/** In every namespace: `group/resource/subresource:name`; without a group it is the core's. */
const grants: Readonly<Record<'controller' | 'gateway' | 'depot', Grants>> = {
  controller: {
    'loraplex.dev/modelpools': follow,
    'loraplex.dev/loraadapters': follow,
    'loraplex.dev/modeltenants': follow,
    'loraplex.dev/tenantkeys': follow,
    'loraplex.dev/modelpools/status': ['patch'],
    'loraplex.dev/loraadapters/status': ['patch'],
    'loraplex.dev/modeltenants/status': ['patch'],
    'loraplex.dev/tenantkeys/status': ['patch'],
    namespaces: follow,
    pods: [...follow, 'patch'],
    services: [...follow, ...make],
    serviceaccounts: [...follow, ...make],
    secrets: ['create', 'delete'],
    'secrets:loraplex-installation': ['create', 'delete'],
    'apps/deployments': [...follow, ...make, 'delete'],
    'policy/poddisruptionbudgets': [...follow, ...make],
    'networking.k8s.io/networkpolicies': [...follow, ...make],
    'events.k8s.io/events': ['create', 'patch'],
    ...asksWhoComes,
  },
  gateway: {
    'loraplex.dev/modelpools': follow,
    'loraplex.dev/loraadapters': follow,
    'loraplex.dev/modeltenants': follow,
    'loraplex.dev/tenantkeys': follow,
    namespaces: follow,
    pods: follow,
    ...asksWhoComes,
  },
  depot: { secrets: ['get'], 'secrets:loraplex-installation': ['get'], ...asksWhoComes },
}

/** In the release's namespace instead. */
const grantsAtHome: Readonly<Record<keyof typeof grants, Grants>> = {
  controller: {
    'coordination.k8s.io/leases': ['create'],
    'coordination.k8s.io/leases:loraplex-controller': ['get', 'create', 'patch'],
    'secrets:loraplex-installation': ['get', 'create', 'delete'],
  },
  gateway: {},
  depot: {},
}

const resources = [
  ...new Set([
    ...Object.values(grants).flatMap((one) => Object.keys(one)),
    ...Object.values(grantsAtHome).flatMap((one) => Object.keys(one)),
    ...neverGranted,
  ]),
].toSorted()

beforeAll(async () => {
  await api().createNamespace(release)
  await api().createNamespace(elsewhere)
  const wanted = ['ServiceAccount', 'Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding']
  for (const object of renderChart({}, release).filter(({ kind }) => wanted.includes(kind))) {
    const { status, body } = await apply(api(), object)
    expect(status, JSON.stringify(body)).toBeLessThan(300)
  }
})

describe.each(['controller', 'gateway', 'depot'] as const)('%s', (component) => {
  const user = `system:serviceaccount:${release}:loraplex-${component}`
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${release}`]

  test.each([
    ['in any namespace', elsewhere, grants[component]],
    ['in the release’s namespace', release, { ...grants[component], ...grantsAtHome[component] }],
  ])('%s has exactly what the table says', async (_where, namespace, wanted) => {
    const granted = await grantsOf({ user, groups }, namespace)
    expect(granted).toEqual(onlyNamed(wanted))
  })

  test('may make itself no more than it is', async () => {
    for (const verb of ['bind', 'escalate', 'impersonate', '*']) {
      for (const resource of ['rbac.authorization.k8s.io/clusterroles', 'users', 'groups', '*']) {
        expect(await mayDo({ user, groups }, elsewhere, verb, resource)).toBe(false)
      }
    }
  })
})

test('the refusals are those of the tokens in the pods too', async () => {
  for (const component of ['controller', 'gateway', 'depot']) {
    const access = await api().serviceAccount(release, `loraplex-${component}`)
    const secrets = `/api/v1/namespaces/${elsewhere}/secrets`
    expect((await api().ask('GET', secrets, undefined, access)).status).toBe(403)
    const named = await api().ask('GET', `${secrets}/nobody`, undefined, access)
    expect(named.status).toBe(component === 'depot' ? 404 : 403)
  }
})

describe('people', () => {
  const objects = ['loraadapters', 'tenantkeys', 'modelpools', 'modeltenants']
  const write = ['create', 'update', 'patch', 'delete', 'deletecollection']
  const asked = [
    ...resources.filter((resource) => resource.startsWith('loraplex.dev/')),
    'pods',
    'secrets',
    'namespaces',
  ]

  test.each([
    ['view', Object.fromEntries(objects.map((name) => [`loraplex.dev/${name}`, [...read]]))],
    ['edit', { 'loraplex.dev/loraadapters': write, 'loraplex.dev/tenantkeys': write }],
    [
      'admin',
      {
        'loraplex.dev/modelpools': write,
        'loraplex.dev/modeltenants': write,
        'loraplex.dev/modelpools/scale': ['get', 'update', 'patch'],
      },
    ],
  ])('the part we add to `%s` is its own and no more', async (role, wanted) => {
    await apply(api(), {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: `test-${role}` },
      roleRef: {
        apiGroup: 'rbac.authorization.k8s.io',
        kind: 'ClusterRole',
        name: `loraplex-${role}`,
      },
      subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: `someone-${role}` }],
    })
    const granted = await grantsOf({ user: `someone-${role}`, groups: [] }, elsewhere, asked)
    expect(granted).toEqual(onlyNamed(wanted))
  })

  test('who reads metrics may read metrics and no more', async () => {
    const readers = [{ name: 'prometheus', namespace: 'monitoring' }]
    const roles = renderChart({ metrics: { readers } }, release).filter(({ metadata }) =>
      metadata.name.endsWith('-metrics-reader'),
    )
    await Promise.all(roles.map((role) => apply(api(), role)))
    const user = 'system:serviceaccount:monitoring:prometheus'
    expect(await mayRead(user, '/metrics')).toBe(true)
    expect(await mayRead(user, '/debug/state')).toBe(false)
    expect(await grantsOf({ user, groups: [] }, release, asked)).toEqual({})
  })

  test('the parts carry the labels that the cluster adds them up by', () => {
    const roles = renderChart({}, release).filter(({ kind }) => kind === 'ClusterRole')
    for (const role of ['view', 'edit', 'admin']) {
      const part = roles.find(({ metadata }) => metadata.name === `loraplex-${role}`)
      expect(part?.metadata.labels).toMatchObject({
        [`rbac.authorization.k8s.io/aggregate-to-${role}`]: 'true',
      })
    }
  })
})

interface Asker {
  readonly user: string
  readonly groups: readonly string[]
}

async function grantsOf(
  asker: Asker,
  namespace: string,
  asked: readonly string[] = resources,
): Promise<Grants> {
  const rows = await Promise.all(
    asked.map(async (resource) => {
      const allowed = await Promise.all(
        verbs.map((verb) => mayDo(asker, namespace, verb, resource)),
      )
      return [resource, verbs.filter((_, index) => allowed[index])] as const
    }),
  )
  return onlyNamed(Object.fromEntries(rows))
}

/** In one order, without what has no verb. */
function onlyNamed(table: Grants): Grants {
  return Object.fromEntries(
    Object.entries(table)
      .filter(([, granted]) => granted.length > 0)
      .map(([resource, granted]) => [resource, granted.toSorted()]),
  )
}

async function mayRead(user: string, path: string): Promise<boolean> {
  const { body } = await api().ask('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, nonResourceAttributes: { path, verb: 'get' } },
  })
  return body.status.allowed
}

async function mayDo(
  { user, groups }: Asker,
  namespace: string,
  verb: string,
  resource: string,
): Promise<boolean> {
  const [path = '', objectName] = resource.split(':')
  const parts = path.split('/')
  const hasGroup =
    (parts[0] ?? '').includes('.') ||
    ['apps', 'batch', 'policy', 'autoscaling'].includes(parts[0] ?? '')
  const [name, subresource] = hasGroup ? parts.slice(1) : parts
  const { status, body } = await api().ask(
    'POST',
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user,
        groups,
        resourceAttributes: {
          namespace,
          verb,
          group: hasGroup ? parts[0] : '',
          resource: name,
          ...(subresource === undefined ? {} : { subresource }),
          ...(objectName === undefined ? {} : { name: objectName }),
        },
      },
    },
  )
  expect(status).toBe(201)
  return body.status.allowed
}
