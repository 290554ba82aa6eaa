// A release's life on a real API server: Helm itself installs, upgrades, rolls back and uninstalls.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest'
import { anew } from '../support/anew.ts'
import { chartFolder, helm } from '../support/chart.ts'
import { apply } from '../support/dry-run.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const namespace = 'loraplex-system'
const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`
const api = sharedApiServer()
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraplex-helm-'))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

// The next attempt installs them again.
beforeEach(() =>
  onTestFailed(() => {
    run('uninstall', 'loraplex', 'second', '--ignore-not-found')
  }),
)

test('install, upgrade, roll back, uninstall: objects stay, and the next install takes the CRDs over', async () => {
  run('install', 'loraplex', chartFolder, '--create-namespace')
  expect(await gatewayReplicas()).toBe(2)
  const { body: served } = await api().ask('GET', `${crds}/modelpools.loraplex.dev`)
  expect(served.spec.names.shortNames).toEqual(['lpp'])

  await untilServed()
  const tenant = anew('acme')
  await addTenant(tenant)
  run('upgrade', 'loraplex', chartFolder, '--set=gateway.replicas=5')
  expect(await gatewayReplicas()).toBe(5)
  run('rollback', 'loraplex', '1')
  expect(await gatewayReplicas()).toBe(2)

  run('uninstall', 'loraplex')
  expect((await api().ask('GET', deployments)).body.items).toEqual([])
  expect(await tenantStatus(tenant)).toBe(200)

  run('install', 'loraplex', chartFolder)
  expect(await tenantStatus(tenant)).toBe(200)
  run('uninstall', 'loraplex')
})

test('an autoscaler takes the gateways over as many as they are, and keeps what it made of them', async () => {
  const scaled = '--set=gateway.autoscaling.enabled=true'
  run('install', 'loraplex', chartFolder, '--create-namespace', '--set=gateway.replicas=4')
  run('upgrade', 'loraplex', chartFolder, scaled)
  expect(await gatewayReplicas()).toBe(4)
  // As an autoscaler does.
  await api().ask('PATCH', `${deployments}/loraplex-gateway/scale`, { spec: { replicas: 7 } })
  expect(await gatewayReplicas()).toBe(7)
  run('upgrade', 'loraplex', chartFolder, scaled, '--set=logLevel=debug')
  expect(await gatewayReplicas()).toBe(7)
  run('upgrade', 'loraplex', chartFolder, '--reset-values')
  expect(await gatewayReplicas()).toBe(2)
  run('uninstall', 'loraplex')
})

test('a second release has CRDs from elsewhere, and leaves them', async () => {
  run('install', 'second', chartFolder, '--create-namespace', '--set=crds.enabled=false')
  run('uninstall', 'second')
  expect((await api().ask('GET', `${crds}/modelpools.loraplex.dev`)).status).toBe(200)
})

test('without crds.keep they go with the release', async () => {
  run('install', 'loraplex', chartFolder, '--set=crds.keep=false')
  run('uninstall', 'loraplex')
  // Objects go first.
  await expect
    .poll(async () => (await api().ask('GET', `${crds}/modelpools.loraplex.dev`)).status, {
      timeout: 20_000,
    })
    .toBe(404)
})

function run(...args: readonly string[]): void {
  const { ok, out, err } = helm(
    ...args,
    `--namespace=${namespace}`,
    `--kubeconfig=${api().kubeconfigPath}`,
    `--repository-cache=${folder}`,
  )
  expect(`${args.join(' ')}: ${err}${ok ? '' : out}`).toBe(`${args.join(' ')}: `)
}

async function gatewayReplicas(): Promise<number> {
  const { body } = await api().ask('GET', `${deployments}/loraplex-gateway`)
  return body.spec.replicas
}

/** A CRD is established some time after it was made. */
async function untilServed(): Promise<void> {
  await expect
    .poll(async () => (await api().ask('GET', '/apis/loraplex.dev/v1alpha1/modeltenants')).status, {
      timeout: 20_000,
    })
    .toBe(200)
}

async function addTenant(name: string): Promise<void> {
  const { status, body } = await apply(api(), {
    apiVersion: 'loraplex.dev/v1alpha1',
    kind: 'ModelTenant',
    metadata: { name },
    spec: {},
  })
  expect(status, JSON.stringify(body)).toBe(201)
}

async function tenantStatus(name: string): Promise<number> {
  return (await api().ask('GET', `/apis/loraplex.dev/v1alpha1/modeltenants/${name}`)).status
}
