import { request } from 'undici'
import type { ContractEngine } from './implementations.ts'
import type { Ask } from './sample-requests.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
  /** How the bytes of an event stream arrived. */
  readonly chunks?: readonly string[]
  readonly ms: number
}

/**
 * One request with the pool's key, unless it brings a header of its own.
 *
 * @param began called when bytes of its answer have come
 */
export async function ask(
  engine: ContractEngine,
  what: Ask,
  signal?: AbortSignal,
  began?: () => void,
): Promise<Answer> {
  const started = performance.now()
  const body = what.rawBody ?? (what.body === undefined ? undefined : JSON.stringify(what.body))
  const answer = await request(`${engine.url}${what.path}`, {
    method: what.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(engine.apiKey === undefined ? {} : { authorization: `Bearer ${engine.apiKey}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...what.headers,
    },
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(signal === undefined ? {} : { signal }),
    ...(body === undefined ? {} : { body }),
  })
  const chunks: string[] = []
  for await (const chunk of answer.body) {
    chunks.push(String(chunk))
    began?.()
  }
  const isStream = String(answer.headers['content-type']).startsWith('text/event-stream')
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: chunks.join(''),
    ...(isStream ? { chunks } : {}),
    ms: Math.round(performance.now() - started),
  }
}

/** A stream that runs by now: the engine has written its first token, though its metrics may take seconds to say so. */
export async function begin(
  engine: ContractEngine,
  what: Ask,
  signal?: AbortSignal,
): Promise<{ readonly answer: Promise<Answer> }> {
  const begun = Promise.withResolvers<void>()
  const answer = ask(engine, what, signal, begun.resolve)
  await Promise.race([begun.promise, answer])
  return { answer }
}

/** The `data:` lines of an event stream. */
export function frames(body: string): readonly string[] {
  return body.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
}
