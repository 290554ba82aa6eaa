import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.ts'
import type { ClusterAccess, ClusterCredentials } from './cluster-access.ts'

export interface InClusterOptions {
  /** Where kubelet puts the service account. */
  readonly folder?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Monotonic milliseconds. */
  readonly now?: () => number
}

const serviceAccountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'
/** Kubelet replaces a token at 80 % of its life, an hour at least; the old one holds for minutes more. */
const rereadAfterMs = 60_000

export function isInCluster(
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  return (env['KUBERNETES_SERVICE_HOST'] ?? '') !== ''
}

/** Access of a pod with its service account. */
export async function inClusterAccess(options: InClusterOptions = {}): Promise<ClusterAccess> {
  const {
    folder = serviceAccountFolder,
    env = process.env,
    now = () => performance.now(),
  } = options
  const host = env['KUBERNETES_SERVICE_HOST'] ?? ''
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443'
  const namespace = await readFile(join(folder, 'namespace'), 'utf8').catch(() => 'default')
  let known = await readCredentials(folder)
  let readAtMs = now()
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace: namespace.trim(),
    origin: 'in-cluster',
    async credentials() {
      if (now() - readAtMs >= rereadAfterMs) {
        readAtMs = now()
        // A file that cannot be read for a moment leaves what was good a minute ago.
        known = await readCredentials(folder, known).catch(() => known)
      }
      return known
    },
  }
}

async function readCredentials(
  folder: string,
  before?: ClusterCredentials,
): Promise<ClusterCredentials> {
  const [token, ca] = await Promise.all([
    readFile(join(folder, 'token'), 'utf8').catch(() => undefined),
    readFile(join(folder, 'ca.crt'), 'utf8').catch(() => undefined),
  ])
  if (token === undefined || ca === undefined) {
    throw new UserError(
      `This pod has no service account in ${folder}. Leave automountServiceAccountToken on, or name a kubeconfig in KUBECONFIG.`,
    )
  }
  return {
    headers: { authorization: `Bearer ${token.trim()}` },
    tls: before?.tls.ca === ca ? before.tls : { ca },
  }
}
