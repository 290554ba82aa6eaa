// What a user of kubectl meets: apply, columns, short names, scale, and the examples of this repository.
import { execFile } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { claimsOurGroup, isMap } from '../../src/api/validate.ts'
import { anObject, create, crdFolder, pathOf, type SomeObject } from '../support/crd-server.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const run = promisify(execFile)
const api = sharedApiServer()

async function kubectl(...args: readonly string[]): Promise<string> {
  const { stdout } = await run('kubectl', ['--kubeconfig', api().kubeconfigPath, ...args])
  return stdout
}

const pool = anObject(
  'ModelPool',
  { model: { uri: 'hf://org/base@main' }, engine: { image: 'vllm/vllm-openai:v0.32.0' } },
  'llama',
)

beforeAll(async () => {
  // Twice: the second apply compares with the annotation of the first, which has to hold the whole CRD.
  await kubectl('apply', '-f', crdFolder)
  expect(await kubectl('apply', '-f', crdFolder)).toContain('unchanged')
  await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=30s')
  expect((await create(api(), pool)).status).toBe(201)
})

describe('kubectl get', () => {
  async function headerOf(kind: string): Promise<readonly string[]> {
    const [header = ''] = (await kubectl('get', kind, '-A', '-o', 'wide')).split('\n')
    return header.trim().split(/\s+/)
  }

  test('shows what a pool has, by its short name', async () => {
    const condition = {
      type: 'Ready',
      status: 'False',
      reason: 'EngineStarting',
      message: 'weights are loaded',
      observedGeneration: 1,
      lastTransitionTime: '2026-11-20T00:00:00Z',
    }
    const status = { conditions: [condition], readyReplicas: 1, desiredReplicas: 2 }
    await api().ask('PATCH', pathOf(pool, '/status'), { status })
    const [header = '', row = ''] = (await kubectl('get', 'lpp')).split('\n')
    expect(header.trim().split(/\s+/)).toEqual([
      'NAME',
      'READY',
      'REASON',
      'DESIRED',
      'REPLICAS',
      'ADAPTERS',
      'ENGINE',
      'AGE',
    ])
    expect(row.trim().split(/\s+/).slice(0, 5)).toEqual([
      'llama',
      'False',
      'EngineStarting',
      '2',
      '1',
    ])
  })

  test('knows every kind by its short name, and all of them by their category', async () => {
    await create(api(), anObject('ModelTenant', {}, 'umbrella'))
    await create(api(), anObject('TenantKey', { sha256: 'ab'.repeat(32), id: 'abc' }, 'laptop'))
    const source = { uri: 'https://h.example/a.tar.gz' }
    await create(
      api(),
      anObject('LoraAdapter', { poolRefs: [{ name: 'llama' }], source }, 'tickets'),
    )
    expect(await headerOf('lora')).toEqual(
      expect.arrayContaining([
        'NAMESPACE',
        'POOL',
        'MODEL',
        'READY',
        'COPIES',
        'REVISION',
        'MESSAGE',
      ]),
    )
    expect(await headerOf('lpk')).toEqual(expect.arrayContaining(['TENANT', 'ID', 'EXPIRES']))
    expect(await headerOf('lpt')).toEqual(
      expect.arrayContaining(['ADAPTERS', 'KEYS', 'NAMESPACES']),
    )
    const all = await kubectl('get', 'loraplex', '-A', '-o', 'name')
    expect(all.trim().split('\n').sort()).toEqual([
      'loraadapter.loraplex.dev/tickets',
      'modelpool.loraplex.dev/llama',
      'modeltenant.loraplex.dev/umbrella',
      'tenantkey.loraplex.dev/laptop',
    ])
  })
})

describe('/scale', () => {
  test('is written by kubectl scale and bounded like the field', async () => {
    await kubectl('scale', 'lpp/llama', '--replicas=3')
    const { body } = await api().ask('GET', pathOf(pool))
    expect(body.spec.replicas).toBe(3)
    await expect(kubectl('scale', 'lpp/llama', '--replicas=65')).rejects.toThrow(
      /less than or equal to 64/,
    )
  })

  test('tells an autoscaler how many there are and which pods they are', async () => {
    const status = { replicas: 2, selector: 'loraplex.dev/pool=llama' }
    await api().ask('PATCH', pathOf(pool, '/status'), { status })
    const { body } = await api().ask('GET', pathOf(pool, '/scale'))
    expect(body).toMatchObject({ kind: 'Scale', spec: { replicas: 3 }, status })
  })
})

test('the objects of examples/standalone are taken, once their pool has an image', async () => {
  const objects = readdirSync('examples/standalone')
    .filter((name) => name.endsWith('.yaml'))
    .flatMap((name) => parseAllDocuments(readFileSync(`examples/standalone/${name}`, 'utf8')))
    .map((document): unknown => document.toJS())
    .filter(claimsOurGroup)
    .map((object) => withImage(object as SomeObject))
  expect(objects.length).toBeGreaterThan(3)
  for (const object of objects) {
    const { namespace } = object.metadata
    if (namespace !== undefined) {
      await api().createNamespace(namespace)
    }
    const { status, body } = await create(api(), object, { dryRun: true })
    expect([object.kind, status, body.message]).toEqual([object.kind, 201, undefined])
  }
})

function withImage(object: SomeObject): SomeObject {
  if (object.kind !== 'ModelPool') {
    return object
  }
  const { engine } = object.spec as { readonly engine?: unknown }
  return {
    ...object,
    spec: { ...object.spec, engine: { ...(isMap(engine) ? engine : {}), image: 'vllm:v0.32.0' } },
  }
}
