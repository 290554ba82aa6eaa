// What a pool says of itself where it is not simply coming or there.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { anew } from '../support/anew.ts'
import { ControllerBed } from '../support/controller-bed.ts'
import { crdFolder } from '../support/crd-server.ts'
import { eventually } from '../support/eventually.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })
const namespace = 'conditions'

let bed: ControllerBed

beforeEach(async () => {
  bed = await ControllerBed.create(api())
  await bed.controller()
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
})

test('a paused pool says so, keeps its pods, and follows its spec again afterwards', async () => {
  const paused = anew('paused')
  await bed.pool(namespace, paused, { replicas: 2 })
  await eventually(() => bed.readyOf('modelpools', namespace, paused)).toBe('True Ready')
  await bed.patchPool(namespace, paused, { paused: true })
  await eventually(() => conditionsOf(paused)).toMatchObject({
    Ready: 'True Paused',
    Progressing: 'False Paused',
  })
  const { spec } = (await bed.deployment(namespace, paused)).body
  await bed.patchPool(namespace, paused, {
    replicas: 3,
    engine: { image: 'vllm/vllm-openai:v0.33.0' },
  })
  await eventually(async () => (await bed.poolStatus(namespace, paused)).observedGeneration).toBe(3)
  expect((await bed.deployment(namespace, paused)).body.spec).toEqual(spec)
  await bed.patchPool(namespace, paused, { paused: false })
  await eventually(() => bed.node.of(paused).length).toBe(3)
  await eventually(() => conditionsOf(paused)).toMatchObject({
    Ready: 'True Ready',
    Progressing: 'False Stable',
  })
})

test('fields of the pod template that have no effect are named, and nothing stands still for them', async () => {
  const template = anew('template')
  await bed.pool(namespace, template, {
    replicas: 1,
    podTemplate: {
      spec: {
        nodeSelector: { gpu: 'h100' },
        containers: [{ name: 'vllm', args: ['--api-key=words-of-mine'] }],
      },
    },
  })
  await eventually(() => conditionsOf(template)).toMatchObject({
    Ready: 'True Ready',
    TemplateFieldsIgnored: 'True OwnedByPool',
  })
  const { conditions } = await bed.poolStatus(namespace, template)
  const { message } = (conditions as Condition[]).find(
    ({ type }) => type === 'TemplateFieldsIgnored',
  ) ?? { message: '' }
  expect(message).toContain('spec.podTemplate.spec.containers[vllm].args')
  expect(message).not.toContain('nodeSelector')
  expect(JSON.stringify(conditions)).not.toContain('words-of-mine')
  await bed.patchPool(namespace, template, { podTemplate: null })
  await eventually(() => conditionsOf(template)).not.toHaveProperty('TemplateFieldsIgnored')
})

test('engines that run elsewhere are refused in words, and harm no other pool', async () => {
  const [outside, other] = [anew('outside'), anew('other')]
  await bed.pool(namespace, outside, {
    engine: { image: null, endpoints: [{ name: 'a', url: 'http://10.0.0.1:8000' }] },
  })
  await bed.pool(namespace, other, { replicas: 1 })
  await eventually(() => conditionsOf(outside)).toEqual({
    Ready: 'False EngineNotMade',
    Stalled: 'True EngineNotMade',
  })
  const { conditions } = await bed.poolStatus(namespace, outside)
  expect((conditions as Condition[])[0]?.message).toContain('spec.engine.endpoints')
  expect((conditions as Condition[])[0]?.message).toContain('spec.engine.image')
  await eventually(() => bed.readyOf('modelpools', namespace, other)).toBe('True Ready')
  expect((await bed.deployment(namespace, outside)).status).toBe(404)
  expect(bed.node.of(outside)).toHaveLength(0)
})

interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

async function conditionsOf(pool: string): Promise<Readonly<Record<string, string>>> {
  const { conditions = [] } = (await bed.poolStatus(namespace, pool)) ?? {}
  return Object.fromEntries(
    (conditions as Condition[]).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  )
}
