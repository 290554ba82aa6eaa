import type { SourceSettings } from '../artifacts/depot/fetch-source.ts'
import type { KubeClient, KubeObject, ResourceType } from '../resources/kubernetes/types.ts'

interface WireSecret extends KubeObject {
  readonly type?: string
  readonly data?: Readonly<Record<string, string>>
}

const secretType: ResourceType<WireSecret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
}

/** Secrets by name, each when it is needed: never a list, never a watch. */
export function createSecretReader(client: KubeClient): SourceSettings['readSecret'] {
  return async (namespace, name, signal) => {
    const secret = await client.get(secretType, { namespace, name }, signal)
    return secret === undefined ? undefined : { type: secret.type, data: secret.data ?? {} }
  }
}
