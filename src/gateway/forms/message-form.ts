import { errorBody } from '../error-body.ts'
import type { AnswerForm } from './answer-form.ts'
import { EventFrames, type EventNames } from './event-frames.ts'

const names: EventNames = {
  named: new Set(['message_start']),
  withUsage: new Set(['message_start', 'message_delta']),
  last: new Set(['message_stop']),
  delta: /^content_block_delta$/,
  // vLLM has no word for it here: the reason is missing.
  isAborted: (event, frame) => event === 'message_delta' && frame.includes('"stop_reason":null'),
}

/** Anthropic's messages. */
export const messageForm: AnswerForm = {
  named: true,
  isAborted: (rest) => !rest.includes(',"stop_reason":"'),
  stream: {
    ask: ',"stream":true',
    maxFrameBytes: 1024 * 1024,
    keepAlive: 'event: ping\ndata: {"type":"ping"}\n\n',
    rewriter: (options) => new EventFrames(names, options),
    ending: (error, id) => `event: error\ndata: ${errorBody(error, 'Anthropic', id)}\n\n`,
  },
}
