import type { RequestOptions } from 'node:https'
import type { KubeConfig } from '@kubernetes/client-node'
import { UserError } from '../../errors.ts'
import type { ClusterAccess, ClusterCredentials, ClusterTls } from './cluster-access.ts'

export interface KubeconfigOptions {
  /** A file; else `KUBECONFIG`, else `~/.kube/config`. */
  readonly file?: string
  readonly context?: string
}

/** Access of a person: whatever kubectl would use. */
export async function kubeconfigAccess(options: KubeconfigOptions = {}): Promise<ClusterAccess> {
  const config = await loadConfig(options)
  const context = config.getCurrentContext()
  const cluster = config.getCurrentCluster()
  if (cluster === null) {
    throw new UserError(
      `No cluster to speak to: ${context === '' || context === undefined ? 'there is no kubeconfig with a current context' : `the context ${context} names none`}. Set KUBECONFIG or give --context.`,
    )
  }
  if (cluster.proxyUrl !== undefined && cluster.proxyUrl !== '') {
    throw new UserError(
      `The cluster of context ${context} is behind proxy-url, which is not supported; use an address that needs none.`,
    )
  }
  let tls: ClusterTls = {}
  return {
    url: cluster.server.replace(/\/+$/, ''),
    namespace: config.getContextObject(context)?.namespace ?? 'default',
    origin: `context ${context}`,
    async credentials() {
      const found = await ask(config)
      tls = isSameTls(tls, found.tls) ? tls : found.tls
      return { headers: found.headers, tls }
    },
  }
}

async function loadConfig({ file, context }: KubeconfigOptions): Promise<KubeConfig> {
  // Loaded here only: it is large, and a pod never needs it.
  const { KubeConfig: Config } = await import('@kubernetes/client-node')
  const config = new Config()
  try {
    if (file === undefined) {
      config.loadFromDefault()
    } else {
      config.loadFromFile(file)
    }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error)
    throw new UserError(`The kubeconfig cannot be read: ${words}`)
  }
  if (context !== undefined) {
    if (config.getContextObject(context) === null) {
      const known = config.getContexts().map(({ name }) => name)
      throw new UserError(
        `The kubeconfig has no context ${context}; it has ${known.join(', ') || 'none'}.`,
      )
    }
    config.setCurrentContext(context)
  }
  return config
}

/** Exec plugins and token files keep what they have until it expires. */
async function ask(config: KubeConfig): Promise<ClusterCredentials> {
  const asked: RequestOptions = {}
  await config.applyToHTTPSOptions(asked)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(asked.headers ?? {})) {
    if (typeof value === 'string') {
      headers[name.toLowerCase()] = value
    }
  }
  if (typeof asked.auth === 'string' && headers['authorization'] === undefined) {
    headers['authorization'] = `Basic ${Buffer.from(asked.auth).toString('base64')}`
  }
  return { headers, tls: tlsOf(asked) }
}

function tlsOf(asked: RequestOptions): ClusterTls {
  const { ca, cert, key, servername, rejectUnauthorized } = asked
  return {
    ...(isPem(ca) ? { ca } : {}),
    ...(isPem(cert) ? { cert } : {}),
    ...(isPem(key) ? { key } : {}),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  }
}

function isPem(value: unknown): value is string | Buffer {
  return typeof value === 'string' || Buffer.isBuffer(value)
}

function isSameTls(a: ClusterTls, b: ClusterTls): boolean {
  const names = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'] as const
  return names.every((name) => String(a[name]) === String(b[name]))
}
