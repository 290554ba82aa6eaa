import { describe, expect, test } from 'vitest'
import type { ControllerProcess } from '../../src/cluster/controller-process.ts'
import { BugError } from '../../src/errors.ts'
import { ControllerBed } from '../support/controller-bed.ts'
import { crdFolder } from '../support/crd-server.ts'
import { eventually } from '../support/eventually.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })

/** What a pool goes through: each step, and what tells that it is over. */
const steps: readonly {
  readonly name: string
  readonly act: (bed: ControllerBed, namespace: string) => Promise<unknown>
  readonly replicas: number
}[] = [
  {
    name: 'create',
    act: (bed, namespace) => bed.pool(namespace, 'llama', { replicas: 1 }),
    replicas: 1,
  },
  {
    name: 'scale up',
    act: (bed, namespace) => bed.patchPool(namespace, 'llama', { replicas: 3 }),
    replicas: 3,
  },
  {
    name: 'roll out',
    act: (bed, namespace) =>
      bed.patchPool(namespace, 'llama', { engine: { image: 'vllm/vllm-openai:v0.33.0' } }),
    replicas: 3,
  },
  {
    name: 'scale down',
    act: (bed, namespace) => bed.patchPool(namespace, 'llama', { replicas: 1 }),
    replicas: 1,
  },
]

type Side = 'before' | 'after'

/** A controller that dies at its `at`-th write, and another one in its place from then on. */
class MortalController {
  readonly #bed: ControllerBed
  readonly #at: number
  readonly #side: Side
  writes = 0
  #isDead = false
  #running: ControllerProcess | undefined

  constructor(bed: ControllerBed, at: number, side: Side) {
    this.#bed = bed
    this.#at = at
    this.#side = side
  }

  async start(): Promise<void> {
    this.#running = await this.#bed.controller({
      writes: {
        beforeWrite: () => {
          this.writes += 1
          this.#isDead ||= this.#side === 'before' && this.writes === this.#at
          this.#endIfDead()
        },
        afterWrite: () => {
          this.#isDead ||= this.#side === 'after' && this.writes === this.#at
          this.#endIfDead()
        },
      },
    })
  }

  /** Called all the time: a dead one is buried, and the next begins from what it finds. */
  async tend(): Promise<void> {
    if (this.#isDead && this.#running !== undefined) {
      const dead = this.#running
      this.#running = undefined
      await dead.close()
      await this.#bed.controller()
    }
  }

  #endIfDead(): void {
    if (this.#isDead) {
      throw new BugError('this controller is dead')
    }
  }
}

async function live(namespace: string, at: number, side: Side) {
  const bed = await ControllerBed.create(api())
  try {
    const controller = new MortalController(bed, at, side)
    await controller.start()
    for (const step of steps) {
      await step.act(bed, namespace)
      await eventually(async () => {
        await controller.tend()
        return { step: step.name, ...(await viewOf(bed, namespace)) }
      }).toEqual({ step: step.name, ...endOf(step.replicas) })
    }
    return { state: await stateOf(namespace), writes: controller.writes }
  } finally {
    await bed[Symbol.asyncDispose]()
    await clean(namespace)
  }
}

/** Compared with what a step should come to. */
async function viewOf(bed: ControllerBed, namespace: string) {
  const { body } = await api().ask(
    'GET',
    `/apis/loraplex.dev/v1alpha1/namespaces/${namespace}/modelpools/llama`,
  )
  const { status, metadata } = body
  const { body: secrets } = await api().ask('GET', `/api/v1/namespaces/${namespace}/secrets`)
  return {
    isObserved: status?.observedGeneration === metadata.generation,
    replicas: [status?.replicas, status?.readyReplicas, status?.updatedReplicas],
    conditions: (status?.conditions ?? []).map((condition: { type: string }) => condition.type),
    pods: bed.node.of('llama').length,
    secrets: secrets.items.length,
  }
}

function endOf(replicas: number): Awaited<ReturnType<typeof viewOf>> {
  return {
    isObserved: true,
    replicas: [replicas, replicas, replicas],
    conditions: ['Ready', 'Progressing'],
    pods: replicas,
    secrets: 1,
  }
}

const collections = [
  'apis/apps/v1/namespaces/NS/deployments',
  'apis/networking.k8s.io/v1/namespaces/NS/networkpolicies',
  'apis/policy/v1/namespaces/NS/poddisruptionbudgets',
  'api/v1/namespaces/NS/services',
  'api/v1/namespaces/NS/serviceaccounts',
  'api/v1/namespaces/NS/secrets',
]

/** Nobody collects garbage here. */
async function clean(namespace: string): Promise<void> {
  const group = 'apis/loraplex.dev/v1alpha1/namespaces/NS'
  const gone = [`${group}/modelpools`, ...collections, 'api/v1/namespaces/NS/pods']
  for (const collection of gone.filter((one) => !one.endsWith('/services'))) {
    const path = `/${collection.replace('NS', namespace)}?gracePeriodSeconds=0`
    await api().ask('DELETE', path)
  }
}

/** Everything in the namespace but what no two runs have in common. */
async function stateOf(namespace: string): Promise<string> {
  const objects = await Promise.all(
    collections.map(async (collection) => {
      const { body } = await api().ask('GET', `/${collection.replace('NS', namespace)}`)
      return body.items
    }),
  )
  const volatile = new Set([
    'uid',
    'resourceVersion',
    'creationTimestamp',
    'managedFields',
    'generation',
    'observedGeneration',
    'status',
    // Keys and paths that follow from the bed's own secret.
    'data',
    'path',
    'loraplex.dev/pod-template',
    'deployment.kubernetes.io/revision',
  ])
  // Hashes of the pool's key differ with the namespace.
  const text = JSON.stringify(
    objects,
    (name, value: unknown) => (volatile.has(name) ? undefined : value),
    1,
  )
  return text
    .replaceAll(namespace, 'NS')
    .replaceAll(/\b[0-9a-f]{10}\b/g, 'REVISION')
    .replaceAll(/lpx-base-[0-9a-f]{32}/g, 'BASE')
    .replaceAll(/release-[0-9a-f]{6}/g, 'RELEASE')
    .replaceAll(/127\.0\.0\.1:[0-9]+/g, 'DEPOT')
}

describe('a controller that dies', () => {
  test('at any write leaves the next one with the same end', { timeout: 1_200_000 }, async () => {
    const reference = await live('sweep-reference', 0, 'before')
    // All of them take minutes: by default a part, another one on each day.
    const every = process.env['LORAPLEX_TEST_SWEEP'] === 'all' ? 1 : 6
    const first = 1 + (new Date().getUTCDate() % every)
    const failed: string[] = []
    let runs = 0
    for (let at = first; at <= reference.writes; at += every) {
      for (const side of ['before', 'after'] as const) {
        const name = `sweep-${at}-${side}`
        const { state } = await live(name, at, side)
        runs += 1
        if (state !== reference.state) {
          failed.push(name)
          expect.soft(state, name).toBe(reference.state)
        }
      }
    }
    console.log(`crash sweep: ${reference.writes} writes, ${runs} runs, every ${every}th`)
    expect(failed).toEqual([])
  })
})
