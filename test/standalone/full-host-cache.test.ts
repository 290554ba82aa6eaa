// Real agents with more adapters than one engine's host cache takes: each has the copies that are promised, those that
// nobody promised are loaded when they are called, and nobody is told of an adapter that failed.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fixtures, poolYaml, TestService } from '../support/service.ts'

const promised = Array.from({ length: 12 }, (_, at) => `a${at}`)
const onCall = Array.from({ length: 3 }, (_, at) => `b${at}`)
const sources = mkdtempSync(join(tmpdir(), 'loraplex-adapters-'))
let service: TestService

/** The same weights under another digest: `peft_version` is part of the content and of no meaning to the engine. */
function adapterYaml(name: string, at: number, minCopies: number): string {
  const folder = join(sources, name)
  cpSync(join(fixtures, 'adapters', 'acme-tickets'), folder, { recursive: true })
  const path = join(folder, 'adapter_config.json')
  const config = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  writeFileSync(path, JSON.stringify({ ...config, peft_version: `0.21.${at}` }))
  return `apiVersion: loraplex.dev/v1alpha1
kind: LoraAdapter
metadata: {name: ${name}, namespace: acme}
spec:
  poolRefs: [{name: tiny, namespace: models}]
  source: {uri: "file://${folder}"}
  residency: {minCopies: ${minCopies}}
`
}

beforeAll(async () => {
  const adapters = [
    ...promised.map((name, at) => [`${name}.yaml`, adapterYaml(name, at, 1)] as const),
    ...onCall.map((name, at) => [`${name}.yaml`, adapterYaml(name, 100 + at, 0)] as const),
  ]
  service = await TestService.start({
    files: {
      'pool.yaml': poolYaml({ maxLoras: 2, maxCpuLoras: 10, replicas: 2 }),
      'tenant.yaml':
        'apiVersion: loraplex.dev/v1alpha1\nkind: ModelTenant\nmetadata: {name: acme}\nspec: {}\n',
      ...Object.fromEntries(adapters),
    },
  })
}, 120_000)
afterAll(async () => {
  await service.close()
  rmSync(sources, { recursive: true, force: true })
})

const copiesOf = (name: string) =>
  service.standalone.source.status('LoraAdapter', `acme/${name}`)?.copies

test('every adapter answers, called or promised, and none is said to have failed', async () => {
  await service.untilReady(...[...promised, ...onCall].map((name) => `acme/${name}`))
  for (const round of [0, 1, 2]) {
    for (const name of [...onCall, ...promised]) {
      const { status, body } = await service.chat('acme', name, { max_tokens: 2 })
      expect(status, `${round} ${name}: ${body}`).toBe(200)
    }
  }
  for (const name of promised) {
    expect(copiesOf(name)?.routable, name).toBeGreaterThan(0)
  }
}, 120_000)

test('an adapter that nobody promised is kept loaded once it is called again and again', async () => {
  const deadline = performance.now() + 40_000
  while ((copiesOf('b0')?.wanted ?? 0) === 0 && performance.now() < deadline) {
    expect((await service.chat('acme', 'b0', { max_tokens: 2 })).status).toBe(200)
  }
  expect(copiesOf('b0')?.wanted).toBeGreaterThan(0)
}, 60_000)
