// What other tools do with a pool: scale it by its subresource, and wait for it.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ClusterProcess } from '../support/cluster-process.ts'
import { ControllerBed } from '../support/controller-bed.ts'
import { crdFolder } from '../support/crd-server.ts'
import { kstatusOf } from '../support/kstatus-of.ts'
import type { KubeJson } from '../support/product.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'
import { findPrograms } from '../support/testbed-folder.ts'

const run = promisify(execFile)
const api = sharedApiServer({ crdPaths: [crdFolder] })
const manager = 'kube-controller-manager'
const programs = findPrograms([manager])
const patience = { timeout: 45_000, interval: 20 }
let bed: ControllerBed
let namespace = ''
let pools = ''

beforeEach(async () => {
  bed = await ControllerBed.create(api())
  namespace = `models-${bed.release}`
  pools = `/apis/loraplex.dev/v1alpha1/namespaces/${namespace}/modelpools`
  await bed.controller()
})
afterEach(async () => {
  await api().ask('DELETE', pools)
  await api().ask('DELETE', `/apis/apps/v1/namespaces/${namespace}/deployments`)
  await bed[Symbol.asyncDispose]()
})

async function kubectl(...args: readonly string[]): Promise<string> {
  const shared = ['--kubeconfig', api().kubeconfigPath, '-n', namespace]
  return (await run('kubectl', [...shared, ...args])).stdout
}

async function read(path: string): Promise<KubeJson> {
  return (await api().ask('GET', path)).body
}

/** Pods that whoever reads `/scale` would take for the pool's. */
async function selected(): Promise<readonly string[]> {
  const { status } = await read(`${pools}/llama/scale`)
  const selector = encodeURIComponent(status.selector)
  const { items } = await read(`/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`)
  return items.map(({ metadata }: KubeJson) => metadata.name).toSorted()
}

function pods(): readonly string[] {
  return bed.node
    .of('llama')
    .map(({ name }) => name)
    .toSorted()
}

describe('kubectl', () => {
  test('scale makes replicas and takes them; wait ends when they are there', async () => {
    await bed.pool(namespace, 'llama', { replicas: 1 })
    await kubectl('wait', 'lpp/llama', '--for=condition=Ready', '--timeout=45s')
    expect(pods()).toHaveLength(1)
    await kubectl('scale', 'lpp/llama', '--replicas=3')
    await kubectl('wait', 'lpp/llama', '--for=jsonpath={.status.readyReplicas}=3', '--timeout=45s')
    expect(await read(`${pools}/llama/scale`)).toMatchObject({
      spec: { replicas: 3 },
      status: { replicas: 3 },
    })
    expect(await selected()).toEqual(pods())
    await expect(
      kubectl('scale', 'lpp/llama', '--replicas=5', '--current-replicas=1'),
    ).rejects.toThrow(/Expected replicas to be 1, was 3/)
    await kubectl('scale', 'lpp/llama', '--replicas=1')
    await kubectl('wait', 'lpp/llama', '--for=jsonpath={.status.replicas}=1', '--timeout=45s')
    await expect.poll(() => pods().length, patience).toBe(1)
    await expect.poll(selected, patience).toEqual(pods())
  })
})

describe('a HorizontalPodAutoscaler', () => {
  test.runIf(programs !== undefined)('on /scale is obeyed, and knows the pods', async () => {
    const logs = await mkdtemp(join(tmpdir(), 'loraplex-hpa-'))
    const autoscaler = new ClusterProcess(
      join(programs ?? '', manager),
      [
        `--kubeconfig=${api().kubeconfigPath}`,
        '--controllers=horizontal-pod-autoscaler-controller',
        '--leader-elect=false',
        '--secure-port=0',
        '--horizontal-pod-autoscaler-sync-period=1s',
      ],
      logs,
    )
    try {
      await bed.pool(namespace, 'llama', { replicas: 1 })
      await expect
        .poll(() => bed.readyOf('modelpools', namespace, 'llama'), patience)
        .toBe('True Ready')
      const scalers = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers`
      await bed.put(scalers, {
        metadata: { name: 'llama' },
        spec: {
          scaleTargetRef: { apiVersion: 'loraplex.dev/v1alpha1', kind: 'ModelPool', name: 'llama' },
          minReplicas: 2,
          maxReplicas: 3,
        },
      })
      await expect.poll(() => pods().length, patience).toBe(2)
      expect((await read(`${pools}/llama`)).spec.replicas).toBe(2)
      const conditions = async (): Promise<readonly string[]> =>
        ((await read(`${scalers}/llama`)).status.conditions ?? []).map(
          ({ type, status, reason }: KubeJson) => `${type} ${status} ${reason}`,
        )
      // It has read the selector, and found nobody here to ask for figures of those pods.
      await expect
        .poll(conditions, patience)
        .toEqual(expect.arrayContaining(['ScalingActive False FailedGetResourceMetric']))
      expect(await conditions()).toContainEqual(expect.stringMatching(/^AbleToScale True/))
      expect((await read(`${scalers}/llama`)).status.currentReplicas).toBe(2)
      expect(await selected()).toEqual(pods())
      // Who writes the pool's own scale is no second scaler.
      const { status } = await read(`${pools}/llama`)
      expect(status.conditions.map(({ type }: KubeJson) => type)).not.toContain('TwoScalers')
    } finally {
      await autoscaler.stop()
      await rm(logs, { recursive: true, force: true })
    }
  })
})

describe('whoever waits by kstatus', () => {
  /** What it sees from now until it is done, and how many replicas of this image were ready then. */
  async function waited(image: string, count: number): Promise<readonly string[]> {
    const seen: string[] = []
    const look = async (): Promise<string> => {
      const state = kstatusOf(await read(`${pools}/llama`))
      seen.push(...(seen.at(-1) === state ? [] : [state]))
      return state
    }
    await expect.poll(look, patience).toBe('Current')
    const { body } = await bed.deployment(namespace, 'llama')
    const revision = body.spec.template.metadata.labels['loraplex.dev/pool-revision']
    expect(JSON.stringify(body.spec.template)).toContain(image)
    const ready = bed.node.of('llama').filter((pod) => pod.isReady && pod.revision === revision)
    expect(ready).toHaveLength(count)
    return seen
  }

  test('is done with a pool when its replicas are those that the spec asks for', async () => {
    const image = 'vllm/vllm-openai:v0.33.0'
    await bed.pool(namespace, 'llama', { replicas: 2 })
    expect(await waited('v0.32.0', 2)).toEqual(['InProgress', 'Current'])
    await bed.patchPool(namespace, 'llama', { engine: { image } })
    expect(await waited(image, 2)).toEqual(['InProgress', 'Current'])
    await bed.patchPool(namespace, 'llama', { replicas: 3 })
    expect(await waited(image, 3)).toEqual(['InProgress', 'Current'])
  })

  test('is not done with an adapter that nobody can call', async () => {
    await api().createNamespace(namespace)
    await bed.adapter(namespace, 'lost', `${namespace}/nowhere`)
    const path = `/apis/loraplex.dev/v1alpha1/namespaces/${namespace}/loraadapters/lost`
    // Also before anybody has looked at it.
    expect(kstatusOf(await read(path))).toBe('InProgress')
    await expect
      .poll(() => bed.readyOf('loraadapters', namespace, 'lost'), patience)
      .toBe('False PoolNotFound')
    expect(kstatusOf(await read(path))).toBe('InProgress')
  })
})
