import { expect, test } from 'vitest'
import type { InferencePath } from '../endpoints/inference-endpoint.ts'
import { readJsonObject } from './json-object.ts'
import { promptQuestionOf } from './prompt-question.ts'

/** What is asked for a body, as text; a number where nobody has to be asked. */
function asked(path: InferencePath, text: string): unknown {
  const bytes = Buffer.from(text)
  const question = promptQuestionOf(
    path,
    bytes,
    readJsonObject(bytes).entries,
    JSON.parse(text) as Record<string, unknown>,
  )
  if (question?.kind !== 'Ask') {
    return question?.tokens
  }
  return [question.path, JSON.parse(question.body('lpx "1"').toString())]
}

const model = 'lpx "1"'

test.each<readonly [string, InferencePath, string, unknown]>([
  [
    'a conversation with what its template takes, and nothing else',
    '/v1/chat/completions',
    '{"n":2,"messages":[{"role":"user","content":"ß"}],"tools":[{"x":1}],"max_tokens":3}',
    ['/tokenize', { model, messages: [{ role: 'user', content: 'ß' }], tools: [{ x: 1 }] }],
  ],
  [
    'a message is asked of its own path',
    '/v1/messages',
    '{"max_tokens":3,"system":"s","messages":[],"tools":[]}',
    ['/v1/messages/count_tokens', { model, system: 's', messages: [], tools: [] }],
  ],
  [
    'a text, with how it is to be read',
    '/v1/completions',
    '{"add_special_tokens":false , "pr\\u006fmpt" : "a: [\\"b\\"]" }',
    ['/tokenize', { model, prompt: 'a: ["b"]', add_special_tokens: false }],
  ],
  [
    'the only text of a list',
    '/v1/embeddings',
    '{"input": [ "]a[" ]}',
    ['/tokenize', { model, prompt: ']a[' }],
  ],
  ['several texts', '/v1/embeddings', '{"input":["a","b"]}', undefined],
  ['tokens', '/v1/embeddings', '{"input":[1,2,3]}', 3],
  ['lists of tokens', '/v1/completions', '{"prompt":[[1,2,3],[4]]}', 4],
  ['a text in the middle', '/v1/completions', '{"prompt":"a","suffix":"b"}', undefined],
  [
    'a response to a text',
    '/v1/responses',
    '{"input":"hi","instructions":"be short"}',
    [
      '/tokenize',
      {
        model,
        messages: [
          { role: 'system', content: 'be short' },
          { role: 'user', content: 'hi' },
        ],
      },
    ],
  ],
  ['a response to items', '/v1/responses', '{"input":[{"role":"user","content":"hi"}]}', undefined],
  ['a response with tools', '/v1/responses', '{"input":"hi","tools":[]}', undefined],
  ['pairs', '/v1/rerank', '{"query":"a","documents":["b"]}', undefined],
])('%s', (_name, path, body, want) => {
  expect(asked(path, body)).toEqual(want)
})
