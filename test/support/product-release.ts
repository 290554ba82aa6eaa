import { helm, kubectlApply, kubectlGet, restrictedNamespace } from './cluster-tools.ts'
import { listObjects, release, type KubeJson, type Manifests } from './product.ts'

const inRelease = `--namespace=${release.namespace}`

export interface ReleaseOptions {
  readonly manifests: Manifests
  /** `repository:tag`, on the node already. */
  readonly image: string
  /** Volumes of the depot by name; adapters of one are at `file:///adapters/<name>`. */
  readonly volumes: Readonly<Record<string, object>>
  /** Laid over our values, on the top level. */
  readonly values?: Readonly<Record<string, unknown>>
}

/** The chart as a test installs it: small requests, and gateways that stop quickly where nobody streams. */
export class ProductRelease {
  readonly #options: ReleaseOptions

  constructor(options: ReleaseOptions) {
    this.#options = options
  }

  /** Where the depot's volumes have their ConfigMaps; restricted. */
  async prepare(): Promise<void> {
    await kubectlApply(restrictedNamespace(release.namespace))
  }

  /** Also over what an attempt before has left. */
  async install(): Promise<void> {
    await helm('upgrade', '--install', ...(await this.#arguments()))
  }

  async upgrade(...more: readonly string[]): Promise<void> {
    await helm('upgrade', ...(await this.#arguments()), ...more)
  }

  async uninstall(): Promise<void> {
    await helm(
      'uninstall',
      inRelease,
      release.name,
      '--ignore-not-found',
      '--wait',
      '--timeout=60s',
    )
  }

  /** Of the tenants' Service. */
  async url(): Promise<string> {
    const service = await kubectlGet('service', 'loraplex-gateway', inRelease)
    return `http://${service.spec.clusterIP}:${service.spec.ports[0].port}`
  }

  /** Those that are not on their way out. */
  async gatewayPods(): Promise<readonly KubeJson[]> {
    const pods = await listObjects('pods', release.namespace, 'app.kubernetes.io/component=gateway')
    return pods.filter((pod) => pod.metadata.deletionTimestamp === undefined)
  }

  async #arguments(): Promise<readonly string[]> {
    const { manifests } = this.#options
    const file = await manifests.write('values.yaml', JSON.stringify(this.#values()))
    return [
      inRelease,
      release.name,
      'charts/loraplex',
      `--values=${file}`,
      '--wait',
      '--timeout=150s',
    ]
  }

  #values(): object {
    const { image, volumes, values } = this.#options
    const [repository = '', tag = ''] = image.split(':')
    return {
      image: { repository, tag, pullPolicy: 'Never' },
      gateway: {
        shutdownDelaySeconds: 3,
        drainSeconds: 600,
        resources: { requests: { cpu: '50m' } },
      },
      depot: {
        extraVolumes: Object.entries(volumes).map(([name, volume]) => ({ name, ...volume })),
        extraVolumeMounts: Object.keys(volumes).map((name) => ({
          name,
          mountPath: `/adapters/${name}`,
          readOnly: true,
        })),
      },
      ...values,
    }
  }
}
