// The four vendors' SDKs as things that are told to ask, and say what they were refused with.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import type { PythonClient, PythonOutcome } from './python-client.ts'

export interface SdkOrder {
  /** Of the gateway, without `/v1`. */
  readonly url: string
  readonly key: string
  readonly headers: Readonly<Record<string, string>>
  readonly model: string
  /** Fields beside the usual ones, or in their place. */
  readonly more: object
  readonly stream: boolean
  /** Something that this service does not have. */
  readonly isNowhere: boolean
}

export interface SdkRefusal {
  /** The error's class and those that it extends. */
  readonly classes: readonly string[]
  readonly status: number | undefined
  readonly code: unknown
  readonly requestId: unknown
  /** Chunks of a stream before. */
  readonly seen: number
}

export type RefusedClient = (order: SdkOrder) => Promise<SdkRefusal>

/** Each asks once more after a refusal, where it asks again at all. */
const maxRetries = 1

const hello = { messages: [{ role: 'user' as const, content: 'hello there' }], max_tokens: 8 }

interface NodeError {
  readonly status?: number
  readonly code?: unknown
  readonly errorCode?: unknown
  readonly requestID?: unknown
}

async function refusedInNode(
  ask: (saw: () => void) => Promise<unknown>,
  codeOf: (error: NodeError) => unknown,
): Promise<SdkRefusal> {
  let seen = 0
  try {
    await ask(() => (seen += 1))
  } catch (error) {
    const known = error as NodeError
    const { status, requestID } = known
    return { classes: classesOf(error), status, code: codeOf(known), requestId: requestID, seen }
  }
  throw new Error('it was not refused')
}

async function drain(answer: unknown, stream: boolean, saw: () => void): Promise<void> {
  if (stream) {
    for await (const _chunk of answer as AsyncIterable<unknown>) {
      saw()
    }
  }
}

function classesOf(error: unknown): readonly string[] {
  const names: string[] = []
  for (
    let kind = Object.getPrototypeOf(error) as object | null;
    kind !== null;
    kind = Object.getPrototypeOf(kind) as object | null
  ) {
    names.push(kind.constructor.name)
  }
  return names
}

export const openaiNode: RefusedClient = ({ url, key, headers, model, more, ...order }) => {
  const client = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries })
  const { stream } = order
  return refusedInNode(
    async (saw) =>
      order.isNowhere
        ? await client.files.list({}, { headers })
        : drain(
            await client.chat.completions.create({ ...hello, model, stream, ...more }, { headers }),
            stream,
            saw,
          ),
    ({ code }) => code,
  )
}

export const anthropicNode: RefusedClient = ({ url, key, headers, model, more, ...order }) => {
  const client = new Anthropic({ apiKey: key, baseURL: url, maxRetries })
  const { stream } = order
  return refusedInNode(
    async (saw) =>
      order.isNowhere
        ? await client.messages.batches.list({}, { headers })
        : drain(
            await client.messages.create({ ...hello, model, stream, ...more }, { headers }),
            stream,
            saw,
          ),
    ({ errorCode }) => errorCode,
  )
}

/** What both Python packages are told; only the names of things differ. */
async function refusedInPython(
  worker: PythonClient,
  order: SdkOrder,
  what: { readonly whole: string; readonly nowhere: string; readonly base: string },
  codeOf: (error: NonNullable<PythonOutcome['error']>) => unknown,
): Promise<SdkRefusal> {
  const { url, key, headers, model, more, stream, isNowhere } = order
  const { error, seen } = await worker.order(
    isNowhere ? what.nowhere : stream ? 'stream' : what.whole,
    {
      client: {
        api_key: key,
        base_url: `${url}${what.base}`,
        max_retries: maxRetries,
        default_headers: headers,
      },
      body: { ...hello, model, extra_body: more },
    },
  )
  if (error === undefined) {
    throw new Error('it was not refused')
  }
  const { classes, status, request_id } = error
  return { classes, status: status ?? undefined, code: codeOf(error), requestId: request_id, seen }
}

export const openaiPython =
  (worker: PythonClient): RefusedClient =>
  (order) =>
    refusedInPython(
      worker,
      order,
      { whole: 'chat', nowhere: 'files', base: '/v1' },
      ({ code }) => code,
    )

export const anthropicPython =
  (worker: PythonClient): RefusedClient =>
  (order) =>
    refusedInPython(
      worker,
      order,
      { whole: 'message', nowhere: 'batches', base: '' },
      ({ body }) =>
        (body as { error?: { details?: { error_code?: unknown } } } | null)?.error?.details
          ?.error_code,
    )
