// A whole Kubernetes node in namespaces of its own: everything real, from etcd to runc. Whoever starts it runs under
// `unshare` (scripts/test/cluster-tier.ts); when that process ends, every container, mount and address goes with it.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { ApiServer } from './api-server.ts'
import { bridge, nodeName, serviceRange } from './cluster-addresses.ts'
import { Containerd } from './cluster-containerd.ts'
import { setUpMounts } from './cluster-mounts.ts'
import { nameApiService, setUpNetwork } from './cluster-network.ts'
import { ClusterProcess } from './cluster-process.ts'
import { dnsSettings, kubeletSettings, proxySettings } from './cluster-settings.ts'
import { findPrograms } from './testbed-folder.ts'

export interface ClusterOptions {
  /** Scratch: images, pods, logs. Whoever made the namespaces removes it. */
  readonly state: string
  /** Archives of `podman save`; pods use them with `imagePullPolicy: IfNotPresent` or `Never`. */
  readonly images: readonly string[]
  /** How many `nvidia.com/gpu` the node claims to have. */
  readonly gpus: number
}

/** Set by whoever made the namespaces: starting a node's network in the machine's own would harm the machine. */
export const ownNamespaces = 'LORAPLEX_TEST_OWN_NAMESPACES'

/** Programs of the test bed that a node runs. */
export const nodePrograms = [
  'kube-apiserver',
  'etcd',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'coredns',
  'helm',
] as const

export class Cluster implements AsyncDisposable {
  readonly api: ApiServer
  /** The folder of its programs; helm is one of them. */
  readonly programs: string
  readonly #state: string
  readonly #running: ClusterProcess[] = []
  #containerd: Containerd | undefined

  static async start(options: ClusterOptions): Promise<Cluster> {
    const programs = findPrograms(nodePrograms)
    if (programs === undefined || process.env[ownNamespaces] === undefined) {
      throw new Error('a node starts in namespaces of its own only; `npm run test:cluster`')
    }
    // containerd finds its shim, and runc, there.
    process.env['PATH'] = `${programs}:/usr/sbin:/sbin:${process.env['PATH']}`
    await mkdir(join(options.state, 'logs'), { recursive: true })
    await setUpMounts(options.state)
    await setUpNetwork()
    await nameApiService(options.state)
    const api = await ApiServer.start({
      listenAddress: bridge.address,
      flags: {
        'advertise-address': bridge.address,
        'service-cluster-ip-range': serviceRange,
        'kubelet-preferred-address-types': 'InternalIP',
        // Tokens of service accounts for pods.
        'disable-admission-plugins': null,
      },
    })
    const cluster = new Cluster(api, programs, options.state)
    try {
      await cluster.#startNode(options)
    } catch (error) {
      await cluster.#explain()
      await cluster.stop()
      throw error
    }
    return cluster
  }

  private constructor(api: ApiServer, programs: string, state: string) {
    this.api = api
    this.programs = programs
    this.#state = state
  }

  get kubeconfigPath(): string {
    return this.api.kubeconfigPath
  }

  async stop(): Promise<void> {
    // What runs on after that ends with the namespaces; ended properly, containers leave no cgroups behind.
    await this.#containerd?.endContainers()
    // Last started, first stopped.
    for (const running of this.#running.toReversed()) {
      await running.stop()
    }
    await this.api.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #startNode({ images, gpus }: ClusterOptions): Promise<void> {
    const kubeconfig = `--kubeconfig=${this.kubeconfigPath}`
    const rootCa = await this.#file('ca.pem', this.api.admin.ca)
    const alone = ['--leader-elect=false', '--secure-port=0']
    this.#run('kube-controller-manager', kubeconfig, ...alone, `--root-ca-file=${rootCa}`)
    this.#run('kube-scheduler', kubeconfig, ...alone)
    const containerd = await Containerd.start({ programs: this.programs, state: this.#state })
    this.#running.push(containerd.process)
    this.#containerd = containerd
    for (const image of [join(this.programs, 'pause.tar'), ...images]) {
      await containerd.importImage(image)
    }
    const root = join(this.#state, 'kubelet')
    const settings = await this.#file('kubelet.yaml', kubeletSettings(containerd.socket, root))
    this.#run(
      'kubelet',
      kubeconfig,
      `--hostname-override=${nodeName}`,
      `--node-ip=${bridge.address}`,
      `--root-dir=${root}`,
      `--cert-dir=${join(root, 'pki')}`,
      `--config=${settings}`,
    )
    const proxy = await this.#file('proxy.yaml', proxySettings(this.kubeconfigPath))
    this.#run('kube-proxy', `--hostname-override=${nodeName}`, `--config=${proxy}`)
    this.#run('coredns', '-conf', await this.#file('Corefile', dnsSettings(this.kubeconfigPath)))
    await this.#until('the node is ready', () => this.#isNodeReady())
    await this.#claimGpus(gpus)
    const account = '/api/v1/namespaces/default/serviceaccounts/default'
    await this.#until('the default service account is there', async () => {
      return (await this.api.ask('GET', account)).status === 200
    })
  }

  async #isNodeReady(): Promise<boolean> {
    const { body } = await this.api.ask('GET', `/api/v1/nodes/${nodeName}`)
    const conditions: readonly { type: string; status: string }[] = body.status?.conditions ?? []
    return conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
  }

  async #claimGpus(gpus: number): Promise<void> {
    const patch = ['capacity', 'allocatable'].map((list) => ({
      op: 'add',
      path: `/status/${list}/nvidia.com~1gpu`,
      value: String(gpus),
    }))
    const path = `/api/v1/nodes/${nodeName}/status`
    const type = 'application/json-patch+json'
    const answer = await this.api.ask('PATCH', path, patch, this.api.admin, type)
    if (answer.status !== 200) {
      throw new Error(`the node takes no GPUs: ${JSON.stringify(answer.body)}`)
    }
  }

  #run(name: string, ...args: readonly string[]): void {
    const logs = join(this.#state, 'logs')
    this.#running.push(new ClusterProcess(join(this.programs, name), args, logs))
  }

  async #file(name: string, text: string): Promise<string> {
    const path = join(this.#state, name)
    await writeFile(path, text)
    return path
  }

  async #until(words: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 120_000
    while (!(await holds().catch(() => false))) {
      if (performance.now() > deadline) {
        throw new Error(`not within two minutes: ${words}`)
      }
      await delay(250)
    }
  }

  async #explain(): Promise<void> {
    for (const running of this.#running) {
      console.error(`── ${running.name} ──\n${await running.lastWords()}`)
    }
  }
}

/** Some ten seconds. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  return await Cluster.start(options)
}
