// The requests of samples/routes.json, tools.json and embeddings.json: the APIs beside chat and completions.
import { base, broken, chat, completion, good, load } from './sample-requests.ts'
import type { Ask } from './sample-requests.ts'
import { long } from './sample-tables.ts'

const weather = { type: 'object', properties: { city: { type: 'boolean' } }, required: ['city'] }
const chatTool = { type: 'function', function: { name: 'weather', parameters: weather } }
const responseTool = { type: 'function', name: 'weather', parameters: weather, strict: false }
const messageTool = { name: 'weather', description: 'The weather.', input_schema: weather }
const response = (more: object = {}): Ask => ({
  path: '/v1/responses',
  body: { model: 'globex', input: 'hello there', max_output_tokens: 4, temperature: 0, ...more },
})
const message = (more: object = {}, path = '/v1/messages'): Ask => ({
  path,
  body: {
    model: 'globex',
    messages: [{ role: 'user', content: 'hello there' }],
    ...(path === '/v1/messages' ? { max_tokens: 4, temperature: 0 } : {}),
    ...more,
  },
})
const image = { type: 'image', source: { type: 'url', url: 'http://127.0.0.1:1/x.png' } }
const toolTurns = [
  { role: 'user', content: 'hello there' },
  {
    role: 'assistant',
    content: [{ type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: true } }],
  },
  {
    role: 'user',
    content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'sunny' }],
  },
]

/** Tools, forms and the APIs beside chat; the adapters of `loads` are there. */
export const routes: Record<string, Ask> = {
  'chat with a named tool': chat('globex', {
    tools: [chatTool],
    tool_choice: { type: 'function', function: { name: 'weather' } },
    ignore_eos: false,
    max_tokens: 64,
  }),
  'chat stream with a named tool': chat('globex', {
    tools: [chatTool],
    tool_choice: { type: 'function', function: { name: 'weather' } },
    ignore_eos: false,
    max_tokens: 64,
    stream: true,
  }),
  'chat with a tool that is not there': chat('globex', {
    tools: [chatTool],
    tool_choice: { type: 'function', function: { name: 'nothing' } },
  }),
  'chat with a tool choice and no tools': chat('globex', { tool_choice: 'auto' }),
  'chat with a choice of words': chat('globex', {
    structured_outputs: { choice: ['yes', 'no'] },
    ignore_eos: false,
  }),
  'chat with a json object': chat('globex', {
    response_format: { type: 'json_object' },
    ignore_eos: false,
  }),
  'chat with a pattern that is none': chat('globex', { structured_outputs: { regex: '(' } }),
  'responses with instructions and items': response({
    instructions: 'be good',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'hello there' }] }],
    cache_salt: 'c2FsdA',
    store: false,
  }),
  'responses to the end': response({ max_output_tokens: 64 }),
  'responses stream to the end': response({ max_output_tokens: 64, stream: true }),
  'responses with a named tool': response({
    tools: [responseTool],
    tool_choice: { type: 'function', name: 'weather' },
    max_output_tokens: 64,
  }),
  'responses stream with a named tool': response({
    tools: [responseTool],
    tool_choice: { type: 'function', name: 'weather' },
    max_output_tokens: 64,
    stream: true,
  }),
  'responses with logprobs': response({
    include: ['message.output_text.logprobs'],
    top_logprobs: 2,
    max_output_tokens: 2,
  }),
  'responses in the background': response({ background: true }),
  'responses after another': response({ previous_response_id: 'resp_0123456789abcdef' }),
  'responses too long': response({ input: long }),
  'responses stream too long': response({ input: long, stream: true }),
  'responses without input': { path: '/v1/responses', body: { model: 'globex' } },
  'responses temperature 9': response({ temperature: 9 }),
  'responses with an image': response({
    input: [
      {
        role: 'user',
        content: [{ type: 'input_image', detail: 'auto', image_url: 'http://127.0.0.1:1/x.png' }],
      },
    ],
  }),
  'responses stream, unknown model': response({ model: 'nobody', stream: true }),
  'messages with a system and a salt': message({ system: 'be good', cache_salt: 'c2FsdA' }),
  'messages with blocks': message({
    system: [{ type: 'text', text: 'be good' }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hello there' }] }],
  }),
  'messages, second time (cached prompt)': message({ messages: longTalk(24) }),
  'messages, third time (cached prompt)': message({ messages: longTalk(24) }),
  'messages to the end': message({ max_tokens: 64 }),
  'messages stream to the end': message({ max_tokens: 64, stream: true }),
  'messages with a stop': message({ max_tokens: 64, stop_sequences: ['L'] }),
  'messages stream with a stop': message({ max_tokens: 64, stop_sequences: ['L'], stream: true }),
  'messages with a named tool': message({
    tools: [messageTool],
    tool_choice: { type: 'tool', name: 'weather' },
    max_tokens: 64,
  }),
  'messages stream with a named tool': message({
    tools: [messageTool],
    tool_choice: { type: 'tool', name: 'weather' },
    max_tokens: 64,
    stream: true,
  }),
  'messages with tools to choose from': message({ tools: [messageTool] }),
  'messages with a tool’s result': message({ messages: toolTurns }),
  'messages too long': message({ messages: [{ role: 'user', content: long }] }),
  'messages stream too long': message({
    messages: [{ role: 'user', content: long }],
    stream: true,
  }),
  'messages max_tokens 0': message({ max_tokens: 0 }),
  'messages temperature 9': message({ temperature: 9 }),
  'messages, empty': message({ messages: [] }),
  'messages with bad role': message({ messages: [{ role: 'wizard', content: 'x' }] }),
  'messages with an image': message({ messages: [{ role: 'user', content: [image] }] }),
  'messages stream, unknown model': message({ model: 'nobody', stream: true }),
  'count_tokens with a system and tools': message(
    { system: 'be good', tools: [messageTool] },
    '/v1/messages/count_tokens',
  ),
  'count_tokens, unknown model': message({ model: 'nobody' }, '/v1/messages/count_tokens'),
  'tokenize with words': {
    path: '/tokenize',
    body: { model: 'globex', prompt: 'hello', return_token_strs: true },
  },
  'tokenize nothing': { path: '/tokenize', body: { model: 'globex' } },
  'rerank is no route': {
    path: '/v1/rerank',
    body: { model: 'globex', query: 'x', documents: ['y'] },
  },
  'score is no route': {
    path: '/v1/score',
    body: { model: 'globex', queries: 'x', documents: ['y'] },
  },
}

/** Of an engine with a parser of tool calls. */
export const tools: Record<string, Ask> = {
  'load globex': load('globex', good('globex-shout')),
  ...Object.fromEntries(
    Object.entries(routes)
      .filter(([name]) => name.includes('named tool') || name.startsWith('count_tokens with'))
      .map(([name, what]) => [`${name}, parsed`, what]),
  ),
  'chat with any tool': chat('globex', {
    tools: [chatTool],
    tool_choice: 'required',
    ignore_eos: false,
    max_tokens: 64,
  }),
  'chat with tools to choose from': chat('globex', { tools: [chatTool], ignore_eos: false }),
  'messages with any tool': message({
    tools: [messageTool],
    tool_choice: { type: 'any' },
    max_tokens: 64,
  }),
  'messages with a tool’s result and the tool': message({
    messages: toolTurns,
    tools: [messageTool],
  }),
}

function longTalk(times: number): readonly object[] {
  return [{ role: 'user', content: 'say this ' + 'again '.repeat(times) }]
}

/** Of an engine that embeds. */
export const embeddings: Record<string, Ask> = {
  'load globex': load('globex', good('globex-shout')),
  'embedding, base': { path: '/v1/embeddings', body: { model: base, input: 'hello' } },
  'embedding, adapter': {
    path: '/v1/embeddings',
    body: { model: 'globex', input: 'hello', cache_salt: 'c2FsdA', user: 'me' },
  },
  'embeddings of several': {
    path: '/v1/embeddings',
    body: { model: 'globex', input: ['hello', 'you'] },
  },
  'embeddings as base64': {
    path: '/v1/embeddings',
    body: { model: 'globex', input: 'hello', encoding_format: 'base64' },
  },
  'embeddings of tokens': { path: '/v1/embeddings', body: { model: 'globex', input: [72, 73] } },
  'embeddings with fewer dimensions': {
    path: '/v1/embeddings',
    body: { model: 'globex', input: 'hello', dimensions: 4 },
  },
  'embeddings, unknown model': {
    path: '/v1/embeddings',
    body: { model: 'nobody', input: 'hello' },
  },
  'embeddings of nothing': { path: '/v1/embeddings', body: { model: 'globex', input: '' } },
  'embeddings of a text too long': {
    path: '/v1/embeddings',
    body: { model: 'globex', input: long },
  },
  'embeddings of a text too long, cut': {
    path: '/v1/embeddings',
    body: { model: 'globex', input: long, truncate_prompt_tokens: 64 },
  },
  rerank: {
    path: '/v1/rerank',
    body: { model: 'globex', query: 'hello', documents: ['you', 'hello', 'all'], top_n: 2 },
  },
  'rerank, unknown model': {
    path: '/v1/rerank',
    body: { model: 'nobody', query: 'hello', documents: ['you'] },
  },
  score: {
    path: '/v1/score',
    body: { model: 'globex', queries: 'hello', documents: ['hello', 'you'] },
  },
  'score of texts': {
    path: '/v1/score',
    body: { model: 'globex', text_1: 'hello', text_2: 'you' },
  },
  'tokenize for embeddings': { path: '/tokenize', body: { model: 'globex', prompt: 'hello' } },
  'chat is no route': chat('globex'),
  'completions are no route': completion('globex'),
  'responses are no route': { path: '/v1/responses', body: { model: 'globex', input: 'x' } },
  'messages are no route': message(),
  'load not-a-number': load('nan', broken('not-a-number')),
  'embedding, nan': { path: '/v1/embeddings', body: { model: 'nan', input: 'hello' } },
}
