// Whether the node and the image are what the other tests take them for.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { request } from 'undici'
import { commands } from '../../src/cli/commands.ts'
import {
  helm,
  kubectl,
  kubectlApply,
  kubectlGet,
  portForward,
  restrictedContainer,
  restrictedNamespace,
  restrictedPod,
  theCluster,
} from '../support/cluster-tools.ts'

const namespace = 'loraplex-smoke'
const here = ['--namespace', namespace]
const patience = { timeout: 150_000, interval: 500 }

function pod(name: string, containers: readonly object[], more: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      restartPolicy: 'Never',
      securityContext: restrictedPod,
      containers: containers.map((container) => ({
        image: theCluster().image,
        imagePullPolicy: 'IfNotPresent',
        securityContext: restrictedContainer,
        ...container,
      })),
      ...more,
    },
  }
}

const simulator = (): readonly object[] => [
  pod('simulator', [
    {
      name: 'vllm',
      args: ['simulate', '--host=0.0.0.0', '--served-model-name=smoke'],
      ports: [{ containerPort: 8000 }],
      readinessProbe: { httpGet: { path: '/health', port: 8000 }, periodSeconds: 1 },
    },
  ]),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'simulator', namespace },
    spec: { selector: { app: 'simulator' }, ports: [{ port: 80, targetPort: 8000 }] },
  },
]

async function phase(name: string): Promise<string> {
  return (await kubectlGet('pod', name, ...here)).status.phase
}

beforeAll(async () => {
  await kubectlApply(restrictedNamespace(namespace))
  await kubectlApply(...simulator())
  await kubectl('wait', ...here, '--for=condition=Ready', 'pod/simulator', '--timeout=120s')
})

afterAll(async () => {
  await kubectl('delete', 'namespace', namespace, '--wait=false')
})

describe('the node', () => {
  test('is ready and has GPUs to give away', async () => {
    const { items } = await kubectlGet('nodes')
    const conditions = items.flatMap((node: never) => (node as Node).status.conditions)
    expect(conditions).toContainEqual(expect.objectContaining({ type: 'Ready', status: 'True' }))
    if (theCluster().isOwnNode) {
      expect(items[0].status.allocatable).toMatchObject({ 'nvidia.com/gpu': '8' })
    }
  })

  test('refuses a pod that is not restricted', async () => {
    const loose = pod('loose', [{ name: 'loose', securityContext: { privileged: true } }])
    await expect(kubectlApply(loose)).rejects.toThrow('violates PodSecurity "restricted')
  })

  test('gives a pod a Service by its name in DNS', async () => {
    const script = `const answer = await fetch('http://simulator.${namespace}.svc.cluster.local/v1/models')
      console.log(await answer.text())`
    const args = ['--input-type=module', '--eval', script]
    await kubectlApply(pod('caller', [{ name: 'caller', command: ['node', ...args] }]))
    await expect.poll(() => phase('caller'), patience).toBe('Succeeded')
    const models = JSON.parse(await kubectl('logs', ...here, 'caller'))
    expect(models.data).toMatchObject([{ id: 'smoke' }])
  })

  test('lets kubectl forward a port', async () => {
    await using forwarded = await portForward(namespace, 'service/simulator', 80)
    const answer = await request(`${forwarded.url}/v1/models`)
    expect(await answer.body.json()).toMatchObject({ data: [{ id: 'smoke' }] })
  })

  test('has a helm that reaches it', async () => {
    expect(JSON.parse(await helm('list', ...here, '--output=json'))).toEqual([])
  })
})

describe('the image', () => {
  test.each(['sh', 'npm', 'ls'])('has no %s', async (program) => {
    await expect(kubectl('exec', ...here, 'simulator', '--', program)).rejects.toThrow(
      'executable file not found',
    )
  })

  test('runs as nobody, on a root file system that nobody writes', async () => {
    const script = `import { writeFileSync } from 'node:fs'
      const attempt = (path) => { try { writeFileSync(path, ''); return 'written' } catch (error) { return error.code } }
      console.log(JSON.stringify([process.getuid(), process.getgid(), attempt('/app/x'), attempt('/tmp/x')]))`
    const args = ['node', '--input-type=module', '--eval', script]
    const output = await kubectl('exec', ...here, 'simulator', '--', ...args)
    expect(JSON.parse(output)).toEqual([65_532, 65_532, 'EROFS', 'EROFS'])
  })

  test('starts every command', async () => {
    const named = commands.map(({ name }, index) => ({
      name: `c${index}`,
      args: [...name.split(' '), '--help'],
    }))
    await kubectlApply(pod('commands', named))
    await expect.poll(() => phase('commands'), patience).toMatch(/^(Succeeded|Failed)$/)
    for (const [index, command] of commands.entries()) {
      const words = await kubectl('logs', ...here, 'commands', `--container=c${index}`)
      expect(words).toContain(`Usage: loraplex ${command.name}`)
    }
    expect(await phase('commands')).toBe('Succeeded')
  })
})

interface Node {
  readonly status: { readonly conditions: readonly object[] }
}
