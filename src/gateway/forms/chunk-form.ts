import { errorBody } from '../error-body.ts'
import type { AnswerForm } from './answer-form.ts'
import { ChunkFrames } from './chunk-frames.ts'

/** Chat completions and completions. */
export const chunkForm: AnswerForm = {
  named: true,
  isAborted: (rest) => rest.includes('"finish_reason":"abort"'),
  stream: {
    ask: ',"stream":true,"stream_options":{"include_usage":true,"continuous_usage_stats":true}',
    maxFrameBytes: 1024 * 1024,
    keepAlive: ': keep-alive\n\n',
    rewriter: (options) => new ChunkFrames(options),
    // One frame that says so, and the end both SDKs look for.
    ending: (error, id) => `data: ${errorBody(error, 'OpenAI', id)}\n\ndata: [DONE]\n\n`,
  },
}
