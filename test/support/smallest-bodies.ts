import type { InferencePath } from '../../src/gateway/endpoints/inference-endpoint.ts'

const hello = { model: 'tickets', messages: [{ role: 'user', content: 'hello' }] }

/** A body that each path takes. */
export const smallestBodies: Readonly<Record<InferencePath, object>> = {
  '/v1/chat/completions': hello,
  '/v1/completions': { model: 'tickets', prompt: 'hello' },
  '/v1/responses': { model: 'tickets', input: 'hello' },
  '/v1/messages': { ...hello, max_tokens: 5 },
  '/v1/messages/count_tokens': hello,
  '/v1/embeddings': { model: 'tickets', input: ['hello', 'you'] },
  '/v1/rerank': { model: 'tickets', query: 'hello', documents: ['a', 'b'] },
  '/v1/score': { model: 'tickets', queries: 'hello', documents: ['a', 'b'] },
  '/tokenize': { model: 'tickets', prompt: 'hello' },
}
