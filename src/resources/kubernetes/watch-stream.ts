import { StringDecoder } from 'node:string_decoder'
import { isMap } from '../../api/validate.ts'
import { collectionPath } from './api-request.ts'
import { KubeApiError } from './kube-api-error.ts'
import { errorOfStatus } from './read-status.ts'
import type { Transport } from './transport.ts'
import type { KubeObject, ListOptions, ResourceType } from './types.ts'

export type WatchEvent<T extends KubeObject> =
  | { readonly type: 'Put'; readonly object: T }
  | { readonly type: 'Removed'; readonly object: T }
  | { readonly type: 'Bookmark'; readonly resourceVersion: string }

export interface WatchRequest extends ListOptions {
  readonly resourceVersion: string
  /** The server ends the watch after so long; a load balancer that forgets connections never gets to. */
  readonly timeoutSeconds: number
  /** No byte for so long is an error: bookmarks come about once a minute. */
  readonly inactivityMs: number
  readonly onBytes: () => void
}

/** Larger than any object may be in etcd, with room for what JSON adds. */
const maxLineChars = 16 << 20

/** One watch, until the server ends it as agreed. Everything else that ends it is thrown as `KubeApiError`. */
export async function* watchObjects<T extends KubeObject>(
  transport: Transport,
  type: ResourceType<T>,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const path = collectionPath(type, request.namespace)
  const what = `watch ${path}`
  const silence = new AbortController()
  const timer = setTimeout(() => {
    silence.abort()
  }, request.inactivityMs)
  try {
    const body = await transport.open(
      {
        verb: 'watch',
        kind: type.kind,
        method: 'GET',
        path,
        query: queryOf(request),
        isIdempotent: true,
      },
      request.inactivityMs,
      AbortSignal.any([signal, silence.signal]),
    )
    timer.refresh()
    for await (const line of linesOf(body, what, () => {
      timer.refresh()
      request.onBytes()
    })) {
      yield eventOf<T>(line, what)
    }
  } catch (error) {
    signal.throwIfAborted()
    if (silence.signal.aborted) {
      const message = `${what}: silent for ${request.inactivityMs} ms`
      throw new KubeApiError({ reason: 'Silent', status: 0, message, cause: error })
    }
    throw error instanceof KubeApiError ? error : broken(what, codeOf(error), error)
  } finally {
    clearTimeout(timer)
    silence.abort()
  }
}

function queryOf(request: WatchRequest): Readonly<Record<string, string>> {
  const { labelSelector, fieldSelector, resourceVersion, timeoutSeconds } = request
  return {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion,
    timeoutSeconds: String(timeoutSeconds),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  }
}

async function* linesOf(
  body: AsyncIterable<Uint8Array>,
  what: string,
  onBytes: () => void,
): AsyncGenerator<string, void, undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of body) {
    onBytes()
    const text = decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    // Only what is new can hold the end of a line.
    if (!text.includes('\n')) {
      rest += text
    } else {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      yield* lines.filter((line) => line.trim() !== '')
    }
    if (rest.length > maxLineChars) {
      throw broken(what, 'a line without an end')
    }
  }
  if (rest.trim() !== '') {
    throw broken(what, 'ended within a line')
  }
}

function eventOf<T extends KubeObject>(line: string, what: string): WatchEvent<T> {
  const { type, object } = parseLine(line, what)
  if (type === 'ERROR') {
    throw errorOfStatus(what, 0, object)
  }
  if (!isObject(object)) {
    throw broken(what, 'an event without an object')
  }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      // The collection's path says what it holds.
      return { type: 'Put', object: object as T }
    case 'DELETED':
      return { type: 'Removed', object: object as T }
    case 'BOOKMARK':
      return { type: 'Bookmark', resourceVersion: object.metadata.resourceVersion ?? '' }
    default:
      throw broken(what, 'an event of no known type')
  }
}

function parseLine(
  line: string,
  what: string,
): { readonly type: unknown; readonly object: unknown } {
  try {
    const parsed = JSON.parse(line) as unknown
    if (isMap(parsed)) {
      return { type: parsed['type'], object: parsed['object'] }
    }
  } catch {
    // Said below.
  }
  throw broken(what, 'a line that is no event')
}

function isObject(value: unknown): value is KubeObject {
  return isMap(value) && isMap(value['metadata'])
}

function broken(what: string, words: string, cause?: unknown): KubeApiError {
  return new KubeApiError({ reason: 'BadAnswer', status: 0, message: `${what}: ${words}`, cause })
}

function codeOf(error: unknown): string {
  return `the connection failed (${(error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown'})`
}
