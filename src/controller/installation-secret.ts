import { randomBytes } from 'node:crypto'
import { installationSecretName, labels, managedBy } from '../api/cluster-names.ts'
import { UserError } from '../errors.ts'
import { isKubeError } from '../resources/kubernetes/kube-api-error.ts'
import type { KubeClient, KubeObject } from '../resources/kubernetes/types.ts'
import { secretType } from './model-pool/kube-shapes.ts'

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
}

const secretBytes = 32

/**
 * The installation's secret, made if it is not there. Create, not apply: of any number of controllers at once one makes
 * it, and the others read what it made. An object whose secret is too short is somebody's mistake and left alone.
 */
export async function ensureInstallationSecret(
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<Buffer> {
  const made = randomBytes(secretBytes)
  const object: SecretObject = {
    metadata: {
      name: installationSecretName,
      namespace,
      labels: { [labels.managedBy]: managedBy },
    },
    data: { secret: made.toString('base64') },
  }
  try {
    await client.create(secretType, object, signal)
    return made
  } catch (error) {
    if (!isKubeError(error, 'AlreadyExists')) {
      throw error
    }
  }
  const key = { namespace, name: installationSecretName }
  const found = await client.get<SecretObject>(secretType, key, signal)
  const secret = Buffer.from(found?.data?.['secret'] ?? '', 'base64')
  if (secret.length < secretBytes) {
    throw new UserError(
      `Secret ${namespace}/${installationSecretName} has no ${secretBytes} bytes under \`secret\`. Put back what it held. If that is lost, delete it and restart controller, depot and gateways: a new one is made, and all pools roll out.`,
    )
  }
  return secret
}
