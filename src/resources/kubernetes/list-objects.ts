import { z } from 'zod'
import { collectionPath } from './api-request.ts'
import { isKubeError, KubeApiError } from './kube-api-error.ts'
import type { SendLimits, Transport } from './transport.ts'
import { apiVersionOf } from './object-key.ts'
import type { KubeObject, ListOptions, ListResult, ResourceType } from './types.ts'

export interface ListRequest extends ListOptions {
  /** Absent: the newest, from the store itself. `0`: whatever the server has at hand. Else: at least this new. */
  readonly resourceVersion?: string | undefined
}

const pageSize = 500
/** A list that grows old while it is read begins again, so often. */
const maxRestarts = 3

const listBody = z.looseObject({
  metadata: z.looseObject({ resourceVersion: z.string(), continue: z.string().optional() }),
  // `null` where a server written in Go has an empty slice.
  items: z.array(z.unknown()).nullish(),
})

/** All pages of a collection, as one state. */
export async function listObjects<T extends KubeObject>(
  transport: Transport,
  type: ResourceType<T>,
  request: ListRequest,
  limits: SendLimits,
): Promise<ListResult<T>> {
  for (let restarts = 0; ; restarts += 1) {
    try {
      return await allPages(transport, type, request, limits)
    } catch (error) {
      // A continue token lives some minutes.
      if (
        restarts >= maxRestarts ||
        request.resourceVersion !== undefined ||
        !isKubeError(error, 'Gone')
      ) {
        throw error
      }
    }
  }
}

async function allPages<T extends KubeObject>(
  transport: Transport,
  type: ResourceType<T>,
  request: ListRequest,
  limits: SendLimits,
): Promise<ListResult<T>> {
  const items: T[] = []
  let token: string | undefined
  for (;;) {
    const page = await onePage(transport, type, request, token, limits)
    for (const item of page.items ?? []) {
      items.push(typed(type, item))
    }
    token = page.metadata.continue
    if (token === undefined || token === '') {
      return { items, resourceVersion: page.metadata.resourceVersion }
    }
  }
}

async function onePage(
  transport: Transport,
  type: ResourceType,
  { namespace, labelSelector, fieldSelector, resourceVersion }: ListRequest,
  token: string | undefined,
  limits: SendLimits,
): Promise<z.infer<typeof listBody>> {
  const path = collectionPath(type, namespace)
  const answer = await transport.send(
    {
      verb: 'list',
      kind: type.kind,
      method: 'GET',
      path,
      query: {
        limit: String(pageSize),
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(fieldSelector === undefined ? {} : { fieldSelector }),
        ...(token === undefined ? {} : { continue: token }),
        // A token carries its own.
        ...(resourceVersion === undefined || token !== undefined ? {} : { resourceVersion }),
      },
      isIdempotent: true,
    },
    limits,
  )
  const parsed = listBody.safeParse(answer)
  if (!parsed.success) {
    throw new KubeApiError({ reason: 'BadAnswer', status: 0, message: `list ${path}: no list` })
  }
  return parsed.data
}

/** Items of a list do not say what they are. */
function typed<T extends KubeObject>(type: ResourceType<T>, item: unknown): T {
  // The collection's path says what it holds.
  return { apiVersion: apiVersionOf(type), kind: type.kind, ...(item as T) }
}
