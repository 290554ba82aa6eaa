import { describe, expect, test } from 'vitest'
import { smallestBodies } from '../../../test/support/smallest-bodies.ts'
import { LoraplexError } from '../../errors.ts'
import { readInferenceRequest } from '../request/inference-request.ts'
import { requestBodyOf } from '../request/request-body.ts'
import { inferenceEndpoints } from './inference-endpoints.ts'
import type { InferencePath } from './inference-endpoint.ts'

function read(path: InferencePath, body: object): void {
  const endpoint = inferenceEndpoints.find((one) => one.path === path)
  if (endpoint === undefined) {
    throw new Error('no such endpoint')
  }
  const bytes = Buffer.from(JSON.stringify(body))
  readInferenceRequest(endpoint, requestBodyOf(bytes), { unknownFields: 'Drop' })
}

test('every path that the engine’s fields are known of is an endpoint, once', () => {
  expect(inferenceEndpoints.map(({ path }) => path).sort()).toEqual(
    Object.keys(smallestBodies).sort(),
  )
})

const image = { type: 'input_image', image_url: 'http://169.254.169.254/' }
const anthropicImage = { type: 'image', source: { type: 'url', url: 'http://169.254.169.254/' } }
const userSays = (...content: object[]) => [{ role: 'user', content }]

const refusals: readonly (readonly [InferencePath, string, object, string])[] = [
  ['/v1/completions', 'no prompt', { prompt: null }, 'prompt'],
  ['/v1/completions', 'an empty prompt', { prompt: '' }, 'prompt'],
  ['/v1/completions', 'an empty list of prompts', { prompt: [] }, 'prompt'],
  ['/v1/completions', 'a prompt that is an object', { prompt: { a: 1 } }, 'prompt'],
  ['/v1/completions', 'too many prompts', { prompt: Array(65).fill('x') }, 'prompt'],
  ['/v1/completions', 'log probabilities of all tokens', { logprobs: -1 }, 'logprobs'],
  ['/v1/completions', 'log probabilities as text', { logprobs: '5' }, 'logprobs'],
  ['/v1/chat/completions', 'too many log probabilities', { top_logprobs: 21 }, 'top_logprobs'],
  ['/v1/responses', 'too many log probabilities', { top_logprobs: 21 }, 'top_logprobs'],
  ['/v1/chat/completions', 'tools that are no list', { tools: {} }, 'tools'],
  ['/v1/chat/completions', 'a tool of another kind', { tools: [{ type: 'web' }] }, 'tools[0]'],
  [
    '/v1/chat/completions',
    'a response format nobody knows',
    { response_format: { type: 'yaml' } },
    'response_format.type',
  ],
  [
    '/v1/chat/completions',
    'a schema without a name',
    { response_format: { type: 'json_schema', json_schema: { schema: {} } } },
    'response_format.json_schema',
  ],
  ['/v1/responses', 'no input', { input: null }, 'input'],
  ['/v1/responses', 'an empty input', { input: [] }, 'input'],
  ['/v1/responses', 'an input that is an object', { input: {} }, 'input'],
  ['/v1/responses', 'an image', { input: userSays(image) }, 'input[0].content[0]'],
  [
    '/v1/responses',
    'a file by its id',
    { input: userSays({ type: 'input_file', file_id: 'file-1' }) },
    'input[0].content[0]',
  ],
  [
    '/v1/responses',
    'an item that is kept elsewhere',
    { input: [{ type: 'item_reference', id: 'msg_1' }] },
    'input[0].type',
  ],
  [
    '/v1/responses',
    'an image that a tool gave back',
    { input: [{ type: 'function_call_output', call_id: 'c', output: [image] }] },
    'input[0].output[0]',
  ],
  ['/v1/responses', 'work in the background', { background: true }, 'background'],
  ['/v1/responses', 'an answer before', { previous_response_id: 'resp_1' }, 'previous_response_id'],
  ['/v1/responses', 'a conversation', { conversation: 'conv_1' }, 'conversation'],
  ['/v1/responses', 'a template kept elsewhere', { prompt: { id: 'pmpt_1' } }, 'prompt'],
  [
    '/v1/responses',
    'a tool that we would have to run',
    { tools: [{ type: 'mcp', server_label: 'x', server_url: 'http://169.254.169.254/' }] },
    'tools[0]',
  ],
  ['/v1/messages', 'no max_tokens', { max_tokens: null }, 'max_tokens'],
  ['/v1/messages', 'max_tokens 0', { max_tokens: 0 }, 'max_tokens'],
  ['/v1/messages', 'an image', { messages: userSays(anthropicImage) }, 'messages[0].content[0]'],
  [
    '/v1/messages',
    'an image that a tool gave back',
    {
      messages: userSays({ type: 'tool_result', tool_use_id: 't', content: [anthropicImage] }),
    },
    'messages[0].content[0].content[0]',
  ],
  ['/v1/messages', 'an image for a system', { system: [anthropicImage] }, 'system[0]'],
  ['/v1/messages', 'a container', { container: 'c' }, 'container'],
  [
    '/v1/messages',
    'a tool that we would have to run',
    { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
    'tools[0]',
  ],
  [
    '/v1/messages/count_tokens',
    'an image',
    { messages: userSays(anthropicImage) },
    'messages[0].content[0]',
  ],
  ['/v1/embeddings', 'no input', { input: null }, 'input'],
  ['/v1/embeddings', 'an empty text', { input: ['a', ''] }, 'input[1]'],
  ['/v1/embeddings', 'a conversation', { input: [{ role: 'user', content: 'a' }] }, 'input[0]'],
  ['/v1/embeddings', 'too many texts', { input: Array(1025).fill('a') }, 'input'],
  ['/v1/rerank', 'no query', { query: null }, 'query'],
  ['/v1/rerank', 'an image', { documents: [{ content: [image] }] }, 'documents[0]'],
  ['/v1/score', 'one side only', { documents: null }, 'documents'],
  ['/v1/score', 'an image', { queries: { content: [image] } }, 'queries'],
  ['/tokenize', 'no prompt', { prompt: null }, 'prompt'],
  ['/tokenize', 'an image', { messages: userSays(image) }, 'messages[0].content[0]'],
]

describe('a request is refused for', () => {
  test.each(refusals)('%s: %s', (path, _sentence, body, param) => {
    let refusal: unknown
    try {
      read(path, { ...smallestBodies[path], ...body })
    } catch (error) {
      refusal = error
    }
    expect(refusal).toBeInstanceOf(LoraplexError)
    expect(refusal).toMatchObject({ code: 'invalid_request', param })
  })
})

const hello = { model: 'tickets', messages: [{ role: 'user', content: 'hello' }] }

const taken: Record<string, readonly [object, InferencePath]> = {
  'tools, and a choice among them': [
    {
      ...hello,
      tools: [{ type: 'function', function: { name: 'f' } }],
      tool_choice: { type: 'function', function: { name: 'f' } },
    },
    '/v1/chat/completions',
  ],
  'a conversation with a tool, as responses have it': [
    {
      model: 'a',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'x' }] },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
        { type: 'function_call_output', call_id: 'c', output: 'x' },
        { type: 'reasoning', id: 'r', summary: [] },
      ],
      tools: [{ type: 'function', name: 'f', parameters: {}, strict: true }],
      background: false,
    },
    '/v1/responses',
  ],
  'a conversation with a tool, as Anthropic has it': [
    {
      ...hello,
      max_tokens: 5,
      system: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }],
      messages: [
        { role: 'user', content: 'x' },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't', name: 'f', input: {} }] },
        ...userSays({ type: 'tool_result', tool_use_id: 't', content: 'x' }),
      ],
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
    },
    '/v1/messages',
  ],
  'lists of tokens to embed': [{ model: 'a', input: [[1, 2], [3]] }, '/v1/embeddings'],
  'a conversation to count': [hello, '/tokenize'],
}

describe('a request is taken with', () => {
  test.each(Object.entries(taken))('%s', (_sentence, [body, path]) => {
    expect(() => read(path, body)).not.toThrow()
  })

  test.each(Object.entries(smallestBodies))('the least that %s asks for', (path, body) => {
    expect(() => read(path as InferencePath, body)).not.toThrow()
  })
})
