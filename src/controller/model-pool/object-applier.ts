import { canonical } from '../../core/pool-revision.ts'
import type { DesiredObject } from '../../core/workload-input.ts'
import type { KubeClient, KubeObject, ResourceType } from '../../resources/kubernetes/types.ts'

export const fieldManager = 'loraplex-controller'

interface Applied {
  readonly wanted: string
  readonly version: string
}

/**
 * Server-side apply of objects that are ours, and only of those that changed: what we want, or what is there. After a
 * restart each is applied once more, which the API server finds to be nothing new.
 */
export class ObjectApplier {
  readonly #client: KubeClient
  readonly #applied = new Map<string, Applied>()

  constructor(client: KubeClient) {
    this.#client = client
  }

  /** `live` is what the cache has, undefined where there is none. True where something was written. */
  async apply<T extends KubeObject>(
    type: ResourceType<T>,
    desired: DesiredObject,
    live: T | undefined,
    signal: AbortSignal,
    resourceVersion?: string,
  ): Promise<boolean> {
    const id = `${type.plural}/${desired.metadata.namespace}/${desired.metadata.name}`
    const wanted = canonical(desired)
    const before = this.#applied.get(id)
    if (live !== undefined && before?.wanted === wanted && before.version === versionOf(live)) {
      return false
    }
    this.#applied.delete(id)
    const object: KubeObject = {
      ...desired,
      metadata: {
        ...desired.metadata,
        ...(resourceVersion === undefined ? {} : { resourceVersion }),
      },
    }
    const written = await this.#client.apply<T>(type, object, { fieldManager, force: true }, signal)
    this.#applied.set(id, { wanted, version: versionOf(written) })
    return true
  }

  forget(namespace: string, name: string): void {
    for (const id of this.#applied.keys()) {
      if (id.endsWith(`/${namespace}/${name}`)) {
        this.#applied.delete(id)
      }
    }
  }
}

/** Moves when somebody writes what is ours. Status alone moves the resource version, but not the generation. */
function versionOf({ metadata }: KubeObject): string {
  const version = metadata.generation ?? metadata.resourceVersion ?? ''
  return `${metadata.uid ?? ''}/${version}/${canonical(metadata.labels ?? {})}`
}
