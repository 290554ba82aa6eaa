import { readFileSync } from 'node:fs'

interface Sample {
  readonly name: string
  readonly request: { readonly path: string; readonly body?: { readonly model?: string } }
  readonly response?: { readonly status: number; readonly body?: string; readonly chunks?: unknown }
}

export interface RecordedStream {
  readonly name: string
  /** What the engine says in `model`. */
  readonly model: string
  readonly body: string
}

/** Event streams of chat and completions as a real vLLM sent them. */
export function recordedStreams(): readonly RecordedStream[] {
  return ['chat', 'completions-and-others', 'dangerous', 'plain-flags'].flatMap((file) => {
    const url = new URL(`../contract/samples/${file}.json`, import.meta.url)
    return (JSON.parse(readFileSync(url, 'utf8')) as Sample[])
      .filter(
        ({ request, response }) =>
          response?.chunks !== undefined &&
          ['/v1/chat/completions', '/v1/completions'].includes(request.path),
      )
      .map(({ name, request, response }) => ({
        name: `${file}: ${name}`,
        model: request.body?.model ?? '',
        body: response?.body ?? '',
      }))
  })
}
