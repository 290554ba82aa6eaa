import { readFileSync } from 'node:fs'

interface Sample {
  readonly name: string
  readonly request: { readonly path: string; readonly body?: { readonly model?: string } }
  readonly response?: { readonly status: number; readonly body?: string; readonly chunks?: unknown }
}

export interface RecordedStream {
  readonly name: string
  readonly path: string
  /** What the engine says in `model`. */
  readonly model: string
  readonly body: string
}

/** Event streams of chat and completions as a real vLLM sent them. */
export function recordedStreams(): readonly RecordedStream[] {
  return streamsOf(['/v1/chat/completions', '/v1/completions'])
}

/** Those of messages and responses, whose frames have the names of events. */
export function recordedEventStreams(): readonly RecordedStream[] {
  return streamsOf(['/v1/messages', '/v1/responses'])
}

const files = [
  'chat',
  'completions-and-others',
  'routes',
  'tools',
  'dangerous',
  'plain-flags',
] as const

function streamsOf(paths: readonly string[]): readonly RecordedStream[] {
  return files.flatMap((file) => {
    const url = new URL(`../contract/samples/${file}.json`, import.meta.url)
    return (JSON.parse(readFileSync(url, 'utf8')) as Sample[])
      .filter(
        ({ request, response }) => response?.chunks !== undefined && paths.includes(request.path),
      )
      .map(({ name, request, response }) => ({
        name: `${file}: ${name}`,
        path: request.path,
        model: request.body?.model ?? '',
        body: response?.body ?? '',
      }))
  })
}
