import { chunkForm } from '../forms/chunk-form.ts'
import { messageForm } from '../forms/message-form.ts'
import { countForm, namedForm } from '../forms/plain-forms.ts'
import { responseForm } from '../forms/response-form.ts'
import { checkChat } from './check-chat.ts'
import { checkCompletion } from './check-completion.ts'
import { checkCountedMessage, checkMessage } from './check-message.ts'
import { checkResponse } from './check-response.ts'
import { checkEmbedding, checkRerank, checkScore, checkTokenize } from './check-texts.ts'
import type { InferenceEndpoint } from './inference-endpoint.ts'

const openai = { dialect: 'OpenAI', task: 'Generate', form: chunkForm, fixed: '' } as const
const embedding = { ...openai, task: 'Embed', form: namedForm } as const
const anthropic = { ...openai, dialect: 'Anthropic', form: messageForm } as const

/** Every path that reaches an engine. */
export const inferenceEndpoints: readonly InferenceEndpoint[] = [
  { ...openai, path: '/v1/chat/completions', check: checkChat },
  { ...openai, path: '/v1/completions', check: checkCompletion },
  {
    ...openai,
    path: '/v1/responses',
    form: responseForm,
    // I7: an engine that keeps answers would keep all tenants' in one place.
    fixed: ',"store":false',
    check: checkResponse,
  },
  { ...anthropic, path: '/v1/messages', check: checkMessage },
  {
    ...anthropic,
    path: '/v1/messages/count_tokens',
    form: countForm,
    check: checkCountedMessage,
  },
  { ...embedding, path: '/v1/embeddings', check: checkEmbedding },
  { ...embedding, path: '/v1/rerank', check: checkRerank },
  { ...embedding, path: '/v1/score', check: checkScore },
  { ...openai, path: '/tokenize', task: undefined, form: countForm, check: checkTokenize },
]
