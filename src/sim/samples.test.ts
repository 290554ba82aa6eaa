import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { request } from 'undici'
import { startSimulator, type Simulator } from './server.ts'

// What a real vLLM 0.32 answered (test/contract/record-samples.ts), asked of the simulator byte shape for byte shape.
const root = join(import.meta.dirname, '..', '..', 'test')
const files = ['before-loads', 'loads', 'chat', 'completions-and-others', 'errors', 'dangerous']

interface Sample {
  readonly name: string
  readonly request: {
    readonly method?: 'GET' | 'POST' | 'DELETE'
    readonly path: string
    readonly body?: unknown
    readonly rawBody?: string
    readonly headers?: Readonly<Record<string, string>>
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: string
  }
}

/** Where the simulator deliberately does less or other than vLLM. */
const different = new Set([
  // There are other metrics families in vLLM; what we read of them is in server.test.ts.
  'metrics, fresh',
  // Log probabilities of the prompt are not simulated.
  'completion, echo, logprobs, no tokens',
  // No grammar engine.
  'chat with bad schema',
])

const samples = await Promise.all(
  files.map(async (file) => {
    const text = await readFile(join(root, 'contract', 'samples', `${file}.json`), 'utf8')
    return JSON.parse(text.replaceAll('/fixtures', join(root, 'fixtures'))) as readonly Sample[]
  }),
)

let simulator: Simulator

beforeAll(async () => {
  simulator = await startSimulator({
    modelPath: join(root, 'fixtures', 'tiny-llama'),
    servedModelNames: ['base-0123456789ab'],
    maxLoras: 2,
    maxCpuLoras: 32,
    maxRank: 64,
    maxModelLen: 512,
    maxNumSeqs: 16,
    apiKey: 'pool-key',
  })
})

afterAll(() => simulator.close())

async function replay({ request: asked }: Sample): Promise<Sample['response']> {
  const body = asked.rawBody ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body))
  const answer = await request(simulator.url + asked.path, {
    method: asked.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      authorization: 'Bearer pool-key',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...asked.headers,
    },
    ...(body === undefined ? {} : { body }),
  })
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name, String(value)]),
  )
  return { status: answer.statusCode, headers, body: await answer.body.text() }
}

const volatile = new Set([
  'id',
  'item_id',
  'created',
  'created_at',
  'owned_by',
  'content',
  'text',
  'delta',
  'token',
  'tokens',
  'logprob',
  'finish_reason',
  'completion_tokens',
  'total_tokens',
  'cached_tokens',
  'output_tokens',
  'status',
  'reason',
  'incomplete_details',
  'logprobs',
])

/** Names of fields in order, and every value that does not depend on what a model says. */
function shape(value: unknown, name: string): string {
  if (Array.isArray(value)) {
    const entries = [...new Set(value.map((entry) => shape(entry, name)))]
    return `[${entries.join(',')}]`
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([key, field]) =>
      name === 'top_logprobs' && typeof field === 'number' ? '*' : `${key}:${shape(field, key)}`,
    )
    return `{${[...new Set(fields)].join(',')}}`
  }
  if (name === 'stop_reason') {
    return 'null or text'
  }
  if (volatile.has(name)) {
    return value === null ? 'null' : typeof value
  }
  return typeof value === 'number' && name !== 'prompt_tokens' ? 'number' : JSON.stringify(value)
}

function shapeOf(body: string): string {
  try {
    return shape(JSON.parse(body), '')
  } catch {
    return body
  }
}

/** vLLM hides paths below some roots in its errors, and so does the simulator: it depends on where the checkout lies. */
function withoutPaths(body: string): string {
  return body
    .replaceAll(join(root, 'fixtures'), '/fixtures')
    .replaceAll(/\/fixtures[\w./-]*/g, '<path>')
}

/** The kinds of frames in their order; how many tokens there were does not count. */
function framesOf(body: string): readonly string[] {
  const frames = body.split('\n\n').map((block) =>
    block
      .split('\n')
      .map((line) => (line.startsWith('data: {') ? `data: ${shapeOf(line.slice(6))}` : line))
      .join('\n'),
  )
  return frames.filter((frame, i) => frame !== frames[i - 1])
}

describe.each(files.map((file, i) => ({ file, all: samples[i] ?? [] })))(
  'as vLLM answered, $file',
  ({ all }) => {
    it.each(all.filter(({ name }) => !different.has(name)))('$name', async (sample) => {
      const answer = await replay(sample)
      const wanted = sample.response
      expect(answer.status).toBe(wanted.status)
      for (const header of ['content-type', 'vary', 'server', 'allow']) {
        expect(answer.headers[header], header).toBe(wanted.headers[header])
      }
      if (wanted.status >= 400) {
        expect(withoutPaths(answer.body)).toBe(withoutPaths(wanted.body))
      } else if (wanted.headers['content-type']?.startsWith('text/event-stream') === true) {
        expect(framesOf(answer.body)).toEqual(framesOf(wanted.body))
      } else {
        expect(shapeOf(answer.body)).toBe(shapeOf(wanted.body))
      }
    })
  },
)
