// The requests of samples/*.json, in their order: later ones build on what earlier ones loaded.
import { base, broken, chat, completion, fixtures, good, load, unload } from './sample-requests.ts'
import type { Ask } from './sample-requests.ts'

/** Longer than the engine's context. */
export const long = 'a long prompt '.repeat(60)

export const beforeLoads: Record<string, Ask> = {
  health: { path: '/health' },
  version: { path: '/version' },
  'models, base only': { path: '/v1/models' },
  'metrics, fresh': { path: '/metrics' },
  load: { path: '/load' },
  ping: { path: '/ping' },
  'one model is no route': { path: `/v1/models/${base}` },
  'unknown route': { path: '/nowhere' },
  'docs are off': { path: '/docs' },
  'openapi is off': { path: '/openapi.json' },
  'wrong method': { path: '/v1/chat/completions' },
}

export const loads: Record<string, Ask> = {
  'load acme': load('acme', good('acme-tickets')),
  'load globex': load('globex', good('globex-shout')),
  'load initech': load('initech', good('initech-initials')),
  'load the same name and path again': load('acme', good('acme-tickets')),
  'load the same name with another path': load('acme', good('globex-shout')),
  'load under a base name': load(base, good('acme-tickets')),
  'load without a name': {
    path: '/v1/load_lora_adapter',
    body: { lora_path: good('acme-tickets') },
  },
  'load without a path': { path: '/v1/load_lora_adapter', body: { lora_name: 'nopath' } },
  'load with a number for a name': {
    path: '/v1/load_lora_adapter',
    body: { lora_name: 5, lora_path: good('acme-tickets') },
  },
  'load with an empty name': load('', good('acme-tickets')),
  'load with an empty path': load('emptypath', ''),
  'load with an empty body': { path: '/v1/load_lora_adapter', body: {} },
  'load with bad JSON': { path: '/v1/load_lora_adapter', rawBody: '{"lora_name": ' },
  'load as text/plain': {
    path: '/v1/load_lora_adapter',
    body: { lora_name: 'x', lora_path: '/x' },
    headers: { 'content-type': 'text/plain' },
  },
  'load with an unknown field': {
    path: '/v1/load_lora_adapter',
    body: { lora_name: 'more', lora_path: good('acme-tickets'), nonsense: true },
  },
  'load a missing folder': load('missing', '/no/such/folder'),
  'load a relative path': load('relative', 'no/such/folder'),
  'load a folder without config': load('noconfig', fixtures),
  ...Object.fromEntries(
    [
      'rank-too-large',
      'dora',
      'saves-modules',
      'no-target-modules',
      'truncated',
      'header-bomb',
      'no-weights',
      'other-base',
      'no-effect',
      'zero-weights',
      'pickled',
    ].map((name) => [`load ${name}`, load(name, broken(name))]),
  ),
  'models after loads': { path: '/v1/models' },
  'unload more': unload('more'),
  'unload it again': unload('more'),
  'unload with an empty name': unload(''),
  'unload without a name': { path: '/v1/unload_lora_adapter', body: {} },
  'unload the base': unload(base),
  'chat with the unloaded': chat('more'),
  'load it again after the unload': load('more', good('acme-tickets')),
  'models after unload and load': { path: '/v1/models' },
  'adapters alias, load': {
    path: '/adapters',
    body: { name: 'alias', src: good('acme-tickets') },
  },
  'adapters alias, unload': { method: 'DELETE', path: '/adapters/alias' },
}

export const chats: Record<string, Ask> = {
  'chat, base': chat(base),
  'chat, adapter': chat('globex'),
  'chat, adapter, second time (cached prompt)': chat('globex'),
  'chat, no model': {
    path: '/v1/chat/completions',
    body: {
      messages: [{ role: 'user', content: 'hi' }],
      max_tokens: 4,
      ignore_eos: true,
      temperature: 0,
    },
  },
  'chat, empty model': chat(''),
  'chat to the end': chat('globex', { max_tokens: 64, ignore_eos: false }),
  'chat, n 2': chat('globex', { n: 2, temperature: 1, seed: 3 }),
  'chat with logprobs': chat('globex', { logprobs: true, top_logprobs: 2, max_tokens: 2 }),
  'chat with a stop': chat('globex', { stop: ['T'], max_tokens: 64, ignore_eos: false }),
  'chat with ignored fields': chat('globex', {
    store: true,
    metadata: { a: 'b' },
    nonsense: 1,
    user: 'me',
    priority: 0,
    max_tokens: 2,
  }),
  'chat with cache_salt': chat('globex', { cache_salt: 'c2FsdA', max_tokens: 2 }),
  'chat with content parts': chat('globex', {
    messages: [
      { role: 'system', content: 'be good' },
      { role: 'user', content: [{ type: 'text', text: 'hello' }] },
    ],
    max_tokens: 2,
  }),
  'chat with max_completion_tokens': {
    path: '/v1/chat/completions',
    body: {
      model: 'globex',
      messages: [{ role: 'user', content: 'hello' }],
      max_completion_tokens: 3,
      ignore_eos: true,
      temperature: 0,
    },
  },
  'chat with request id': {
    ...chat('globex', { max_tokens: 1 }),
    headers: { 'x-request-id': 'my-id' },
  },
  'chat with load metrics header': {
    ...chat('globex', { max_tokens: 1 }),
    headers: { 'endpoint-load-metrics-format': 'JSON' },
  },
  'chat with tools': chat('globex', {
    tools: [
      { type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } },
    ],
    max_tokens: 2,
  }),
  'chat with json schema': chat('globex', {
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: 'x',
        schema: { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
      },
    },
    ignore_eos: false,
    max_tokens: 20,
  }),
  'chat stream': chat('globex', { stream: true, max_tokens: 4 }),
  'chat stream with usage': chat('globex', {
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 4,
  }),
  'chat stream with continuous usage': chat('globex', {
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
    max_tokens: 4,
  }),
  'chat stream to the end with continuous usage': chat('globex', {
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
    ignore_eos: false,
    max_tokens: 64,
  }),
  'chat stream with logprobs': chat('globex', {
    stream: true,
    logprobs: true,
    top_logprobs: 2,
    max_tokens: 2,
  }),
  'chat stream, n 2': chat('globex', {
    stream: true,
    n: 2,
    temperature: 1,
    seed: 3,
    max_tokens: 2,
  }),
  'chat stream, base': chat(base, { stream: true, max_tokens: 3 }),
}

export const completions: Record<string, Ask> = {
  'completion, base': completion(base),
  'completion, adapter': completion('globex'),
  'completion with logprobs': completion('globex', { logprobs: 3, max_tokens: 2 }),
  'completion with echo': completion('globex', { echo: true, max_tokens: 2 }),
  'completion, echo, logprobs, no tokens': completion('globex', {
    echo: true,
    logprobs: 1,
    max_tokens: 0,
  }),
  'completion, two prompts': completion('globex', { prompt: ['one', 'two'], max_tokens: 2 }),
  'completion, token prompt': completion('globex', { prompt: [72, 73], max_tokens: 2 }),
  'completion stream': completion('globex', { stream: true, max_tokens: 3 }),
  'completion stream with usage': completion('globex', {
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 3,
  }),
  'completion stream with continuous usage': completion('globex', {
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
    max_tokens: 3,
  }),
  'completion stream with logprobs': completion('globex', {
    stream: true,
    logprobs: 2,
    max_tokens: 2,
  }),
  'tokenize text': { path: '/tokenize', body: { model: 'globex', prompt: 'hello' } },
  'tokenize messages': {
    path: '/tokenize',
    body: { model: 'globex', messages: [{ role: 'user', content: 'hello' }] },
  },
  'tokenize unknown model': { path: '/tokenize', body: { model: 'nobody', prompt: 'hello' } },
  responses: {
    path: '/v1/responses',
    body: { model: 'globex', input: 'hello there', max_output_tokens: 4, temperature: 0 },
  },
  'responses stream': {
    path: '/v1/responses',
    body: {
      model: 'globex',
      input: 'hello there',
      max_output_tokens: 4,
      temperature: 0,
      stream: true,
    },
  },
  'responses unknown model': { path: '/v1/responses', body: { model: 'nobody', input: 'hello' } },
  messages: {
    path: '/v1/messages',
    body: {
      model: 'globex',
      messages: [{ role: 'user', content: 'hello there' }],
      max_tokens: 4,
      temperature: 0,
    },
  },
  'messages stream': {
    path: '/v1/messages',
    body: {
      model: 'globex',
      messages: [{ role: 'user', content: 'hello there' }],
      max_tokens: 4,
      temperature: 0,
      stream: true,
    },
  },
  'messages unknown model': {
    path: '/v1/messages',
    body: { model: 'nobody', messages: [{ role: 'user', content: 'hi' }], max_tokens: 4 },
  },
  'messages without max_tokens': {
    path: '/v1/messages',
    body: { model: 'globex', messages: [{ role: 'user', content: 'hi' }] },
  },
  'messages count_tokens': {
    path: '/v1/messages/count_tokens',
    body: { model: 'globex', messages: [{ role: 'user', content: 'hello there' }] },
  },
  'embeddings are no route': { path: '/v1/embeddings', body: { model: 'globex', input: 'x' } },
}

export const errors: Record<string, Ask> = {
  'no key': { path: '/v1/models', headers: { authorization: '' } },
  'wrong key': { path: '/v1/models', headers: { authorization: 'Bearer wrong' } },
  'wrong key on load': { ...load('x', '/x'), headers: { authorization: 'Bearer wrong' } },
  'wrong key on chat': { ...chat('globex'), headers: { authorization: 'Bearer wrong' } },
  'health needs no key': { path: '/health', headers: { authorization: '' } },
  'metrics need no key': { path: '/version', headers: { authorization: '' } },
  'chat, unknown model': chat('nobody'),
  'chat stream, unknown model': chat('nobody', { stream: true }),
  'completion, unknown model': completion('nobody'),
  'chat too long': chat('globex', {}, long),
  'chat stream too long': chat('globex', { stream: true }, long),
  'completion too long': completion('globex', { prompt: long }),
  'chat max_tokens over the rest': chat('globex', { max_tokens: 600 }),
  'completion max_tokens over the rest': completion('globex', { max_tokens: 600 }),
  'chat max_tokens 0': chat('globex', { max_tokens: 0 }),
  'chat temperature 9': chat('globex', { temperature: 9 }),
  'chat temperature -1': chat('globex', { temperature: -1 }),
  'chat temperature text': chat('globex', { temperature: 'hot' }),
  'chat top_p 2': chat('globex', { top_p: 2 }),
  'chat n 0': chat('globex', { n: 0 }),
  'chat without messages': { path: '/v1/chat/completions', body: { model: 'globex' } },
  'chat with empty messages': chat('globex', { messages: [] }),
  'chat with bad role': chat('globex', {
    messages: [{ role: 'wizard', content: 'x' }],
    max_tokens: 2,
  }),
  'chat with bad JSON': { path: '/v1/chat/completions', rawBody: '{"model": ' },
  'chat as text/plain': { ...chat('globex'), headers: { 'content-type': 'text/plain' } },
  'chat with long salt': chat('globex', { cache_salt: 'x'.repeat(129) }),
  'chat with empty salt': chat('globex', { cache_salt: '' }),
  'chat with slash salt': chat('globex', { cache_salt: 'a/b' }),
  'chat top_logprobs 30': chat('globex', { logprobs: true, top_logprobs: 30 }),
  'chat top_logprobs without logprobs': chat('globex', { top_logprobs: 2 }),
  'completion logprobs 30': completion('globex', { logprobs: 30 }),
  'completion without prompt': { path: '/v1/completions', body: { model: 'globex' } },
  'completion empty prompt': completion('globex', { prompt: '' }),
  'completion empty prompt list': completion('globex', { prompt: [] }),
  'chat stream_options without stream': chat('globex', { stream_options: { include_usage: true } }),
  'chat with image': chat('globex', {
    messages: [
      {
        role: 'user',
        content: [{ type: 'image_url', image_url: { url: 'http://127.0.0.1:1/x.png' } }],
      },
    ],
  }),
  'chat with own template': chat('globex', { chat_template: '{{ 1 }}' }),
  'chat with bad schema': chat('globex', {
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { type: 'nonsense' } },
    },
  }),
  'chat tool_choice auto': chat('globex', {
    tool_choice: 'auto',
    tools: [{ type: 'function', function: { name: 'f', parameters: {} } }],
  }),
}

export const dangerous: Record<string, Ask> = {
  'load finite-but-huge': load('huge', broken('finite-but-huge')),
  'completion, huge': completion('huge'),
  'completion with logprobs, huge': completion('huge', { logprobs: 3 }),
  'chat with logprobs, huge': chat('huge', { logprobs: true, top_logprobs: 2 }),
  'completion stream with logprobs, huge': completion('huge', { logprobs: 3, stream: true }),
  'chat stream with logprobs, huge': chat('huge', {
    logprobs: true,
    top_logprobs: 2,
    stream: true,
  }),
  'load not-a-number': load('nan', broken('not-a-number')),
  'completion, nan': completion('nan'),
  'completion with logprobs, nan': completion('nan', { logprobs: 3 }),
  'completion stream with logprobs, nan': completion('nan', { logprobs: 3, stream: true }),
  'chat, nan': chat('nan'),
  'chat stream, nan': chat('nan', { stream: true }),
}

export const plainFlags: Record<string, Ask> = {
  'load with the gate off': load('acme', good('acme-tickets')),
  'unload with the gate off': unload('acme'),
  'models, no key wanted': { path: '/v1/models', headers: { authorization: '' } },
  chat: chat(base),
  'chat stream': chat(base, { stream: true, max_tokens: 3 }),
  'chat stream with usage': chat(base, {
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 3,
  }),
  'chat stream with continuous usage': chat(base, {
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
    max_tokens: 3,
  }),
  completion: completion(base),
  'completion stream': completion(base, { stream: true, max_tokens: 3 }),
  'completion stream with usage': completion(base, {
    stream: true,
    stream_options: { include_usage: true },
    max_tokens: 3,
  }),
  'chat, unknown model': chat('nobody'),
}
