// Every sample is taken by a real API server with our CRDs, and by the words of `loraplex check`.
import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { kinds } from '../../src/api/kinds.ts'
import { apiVersion } from '../../src/api/metadata.ts'
import { validateObject } from '../../src/api/validate.ts'
import { objectsOf, renderChart, templateChart, type KubeObject } from '../support/chart.ts'
import { apply, dryRun } from '../support/dry-run.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const folder = 'manifests/samples'
const api = sharedApiServer({ crdPaths: ['manifests/crds'] })
const files = globSync(`${folder}/**/*.yaml`).toSorted()
const notObjects = /(kustomization|chart-values)\.yaml$/
const objectFiles = files.filter((file) => !notObjects.test(file))
const kustomizations = files.filter((file) => file.endsWith('kustomization.yaml'))

interface Kustomization {
  readonly namespace?: string
  readonly resources: readonly string[]
}

beforeAll(async () => {
  const all = (await Promise.all(objectFiles.map(objectsIn))).flat()
  const namespaces = new Set(
    all.map(({ kind, metadata }) => (kind === 'Namespace' ? metadata.name : metadata.namespace)),
  )
  await Promise.all(
    [...namespaces].filter((name) => name !== undefined).map((name) => api().createNamespace(name)),
  )
})

test('all kinds of ours are shown', async () => {
  const all = (await Promise.all(objectFiles.map(objectsIn))).flat()
  const shown = new Set(all.map(({ kind }) => kind))
  expect(Object.keys(kinds).filter((kind) => !shown.has(kind))).toEqual([])
})

describe.each(objectFiles)('%s', (file) => {
  test('has no fault that only we see', async () => {
    const ours = (await objectsIn(file)).filter(
      (object) => object.apiVersion === apiVersion && object.kind in kinds,
    )
    const faults = ours.flatMap((object) => validateObject(object, { oneMachine: false }).problems)
    expect(faults).toEqual([])
  })

  test('is taken by the API server', async () => {
    for (const object of await objectsIn(file)) {
      const { status, body } = await dryRun(api(), object)
      expect(`${object.kind} ${object.metadata.name} ${status} ${body.message ?? ''}`).toMatch(
        / 20[01] $/,
      )
    }
  })
})

test('a sample with a misspelled field would be refused', async () => {
  const [pool] = (await objectsIn(`${folder}/awq/pool.yaml`)).filter(
    ({ kind }) => kind === 'ModelPool',
  )
  const { status, body } = await dryRun(api(), {
    ...(pool as KubeObject),
    spec: { ...pool?.['spec'], replica: 1 },
  })
  expect(status).toBeGreaterThanOrEqual(400)
  expect(body.message).toContain('replica')
})

test('every reference leads to a pool of the samples that lets the namespace in', async () => {
  const all = (await Promise.all(objectFiles.map(objectsIn))).flat()
  const pools = all.filter(({ kind }) => kind === 'ModelPool')
  const adapters = all.filter(({ kind }) => kind === 'LoraAdapter')
  expect(adapters.length).toBeGreaterThan(5)
  for (const { metadata, ...adapter } of adapters) {
    const [reference] = adapter['spec'].poolRefs
    const pool = pools.find(
      (one) =>
        one.metadata.name === reference.name && one.metadata.namespace === reference.namespace,
    )
    const allowed = pool?.['spec'].allowedNamespaces
    const namespaces = all.filter(
      ({ kind, metadata: { name } }) => kind === 'Namespace' && name === metadata.namespace,
    )
    const [label, value] = Object.entries(allowed?.selector?.matchLabels ?? {})[0] ?? []
    const lets =
      allowed?.from === 'All' ||
      namespaces.some((namespace) => namespace.metadata.labels?.[String(label)] === value)
    expect(lets, `${metadata.namespace}/${metadata.name}`).toBe(true)
  }
})

test.each(kustomizations)('%s names every file and folder beside it', async (file) => {
  const { resources } = parse(await readFile(file, 'utf8')) as Kustomization
  const here = dirname(file)
  const below = files
    .filter((one) => one !== file && one.startsWith(`${here}/`))
    .map((one) => one.slice(here.length + 1))
  for (const one of below) {
    expect(resources.some((name) => one === name || one.startsWith(`${name}/`))).toBe(true)
  }
  for (const name of resources) {
    expect(below.some((one) => one === name || one.startsWith(`${name}/`))).toBe(true)
  }
})

test.each(globSync('docs/guides/{kubernetes,air-gapped,observability,upgrade}.md'))(
  'what %s shows is taken as it is',
  async (page) => {
    const text = await readFile(page, 'utf8')
    for (const [, block = ''] of text.matchAll(/```yaml\n(.*?)```/gs)) {
      if (block.startsWith('apiVersion:')) {
        for (const object of objectsOf(block)) {
          const { status, body } = await dryRun(api(), object)
          expect(`${object.metadata.name} ${status} ${body.message ?? ''}`).toMatch(/ 20[01] $/)
        }
      } else if (block.startsWith('metrics:')) {
        expect(templateChart(parse(block) as object)).toMatchObject({ ok: true })
      }
    }
  },
)

test('the chart’s own examples are taken, and it names every kind and the version it is of', async () => {
  const chart = parse(await readFile('charts/loraplex/Chart.yaml', 'utf8')) as {
    readonly appVersion: string
    readonly annotations: Readonly<Record<string, string>>
  }
  const read = (name: string): readonly KubeObject[] =>
    parse(chart.annotations[`artifacthub.io/${name}`] ?? '[]') as readonly KubeObject[]
  for (const object of read('crdsExamples')) {
    expect((await dryRun(api(), object)).status).toBeLessThan(300)
  }
  expect(read('crds').map(({ kind }) => kind)).toEqual(Object.keys(kinds))
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  expect(chart.appVersion).toBe(version)
  expect(chart.annotations['artifacthub.io/images']).toContain(`:${version}`)
})

test('the pods of the simulator’s pool find what its values give the depot', async () => {
  const values = parse(await readFile(`${folder}/simulator/chart-values.yaml`, 'utf8')) as object
  expect(templateChart(values).ok).toBe(true)
  const depot = renderChart(values).find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'loraplex-depot',
  )
  const mounts = depot?.['spec'].template.spec.containers[0].volumeMounts as {
    readonly mountPath: string
  }[]
  const adapters = (await objectsIn(`${folder}/simulator/tenant.yaml`)).filter(
    ({ kind }) => kind === 'LoraAdapter',
  )
  for (const adapter of adapters) {
    const path = String(adapter['spec'].source.uri).replace('file://', '')
    expect(mounts.map(({ mountPath }) => mountPath)).toContain(path)
  }
  for (const object of await objectsIn(`${folder}/simulator/pool.yaml`)) {
    expect((await apply(api(), object)).status).toBeLessThan(300)
  }
})

/** Objects of a file, in the namespace that its kustomization gives them. */
async function objectsIn(file: string): Promise<readonly KubeObject[]> {
  const beside = join(dirname(file), 'kustomization.yaml')
  const namespace = kustomizations.includes(beside)
    ? (parse(await readFile(beside, 'utf8')) as Kustomization).namespace
    : undefined
  return objectsOf(await readFile(file, 'utf8')).map((object) =>
    namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } },
  )
}
