// The prepared vLLM of this machine inside a pod: our image has no Python, so what it needs is mounted where it was made.
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { vllmCpuFolder } from '../../src/engine/find-vllm.ts'
import { hostClaim } from './host-claim.ts'
import type { KubeJson } from './product.ts'

export interface HostVllm {
  /** Volumes and claims for the pool's namespace. */
  readonly claims: readonly KubeJson[]
  /** For `spec.podTemplate` of a ModelPool. */
  readonly podTemplate: KubeJson
}

export async function hostVllm(namespace: string): Promise<HostVllm> {
  const environment = vllmCpuFolder()
  const folders = await foldersOf(environment)
  const names = folders.map((_folder, index) => `host-${index}`)
  const paths = await Promise.all(folders.map((folder) => realpath(folder)))
  const claims = paths.flatMap((path, index) =>
    hostClaim({ namespace, name: names[index] ?? '', path }),
  )
  const engine = {
    name: 'vllm',
    command: [join(environment, 'bin', 'vllm')],
    env: Object.entries(cpuEnvironment).map(([name, value]) => ({ name, value })),
    volumeMounts: folders.map((folder, index) => ({
      name: names[index],
      mountPath: folder,
      readOnly: true,
    })),
  }
  const volumes = names.map((name) => ({
    name,
    persistentVolumeClaim: { claimName: name, readOnly: true },
  }))
  return { claims, podTemplate: { spec: { containers: [engine], volumes } } }
}

/** What `loraplex up` gives a build for CPUs (src/engine/launch-arguments.ts), and where its helpers are. */
const cpuEnvironment = {
  VLLM_CPU_KVCACHE_SPACE: '1',
  TORCHDYNAMO_DISABLE: '1',
  PATH: '/usr/bin:/bin',
  PYTHONDONTWRITEBYTECODE: '1',
} as const

/** The virtual environment, the Python it was made from, and the system's libraries and programs that both call. */
async function foldersOf(environment: string): Promise<readonly string[]> {
  const python = dirname(dirname(await realpath(join(environment, 'bin', 'python'))))
  const ofSystem = ['/usr', '/lib', '/lib64', '/bin'].filter((folder) => existsSync(folder))
  const isOfSystem = ofSystem.some((folder) => `${python}/`.startsWith(`${folder}/`))
  return [...ofSystem, ...(isOfSystem ? [] : [python]), environment]
}
