import type { LoraplexError } from '../../errors.ts'
import type { AnswerForm } from './answer-form.ts'
import { dataOf } from './data-of.ts'
import { EventFrames, type EventNames } from './event-frames.ts'
import type { StreamTrail } from './frame-rewriter.ts'

const names: EventNames = {
  named: new Set([
    'response.created',
    'response.in_progress',
    'response.completed',
    'response.incomplete',
    'response.failed',
  ]),
  withUsage: new Set(['response.completed', 'response.incomplete', 'response.failed']),
  last: new Set(['response.completed', 'response.incomplete']),
  delta: /\.delta$/,
  isAborted: (event, frame) =>
    event === 'response.failed' || (event === 'response.completed' && wasGivenUp.test(frame)),
}

/** With its neighbours: tools and schemas of the caller stand in the same text, and may well hold a status of their own. */
const wasGivenUp = /"service_tier":"\w+","status":"(?:cancelled|failed)","text":/

/** OpenAI's responses. vLLM 0.32 writes `response.completed` at the end even where the status is `incomplete`. */
export const responseForm: AnswerForm = {
  named: true,
  isAborted: (rest) => wasGivenUp.test(rest),
  stream: {
    ask: ',"stream":true',
    // Its first frames repeat the request's instructions and tools, so one may be as long as a body.
    maxFrameBytes: 8 * 1024 * 1024,
    keepAlive: ': keep-alive\n\n',
    rewriter: (options) => new EventFrames(names, options),
    ending: endResponse,
  },
}

/** Both events count on from what the caller has seen, and the second one gives its response back as failed. */
function endResponse(error: LoraplexError, id: string, trail: StreamTrail): string {
  const { message, code, param } = error
  const seen = /"sequence_number":(\d+)/.exec(trail.last)?.[1]
  const next = seen === undefined ? 0 : Number(seen) + 1
  const begun = responseOf(trail.first) ?? { id: `resp_${id}`, object: 'response', output: [] }
  const response = { ...begun, status: 'failed', error: { code: 'server_error', message } }
  return (
    event('error', { code, message, param, sequence_number: next }) +
    event('response.failed', { response, sequence_number: next + 1 })
  )
}

function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
}

/** The response inside `response.created`, as the caller got it. */
function responseOf(frame: string): object | undefined {
  const text = dataOf(frame)
  if (text === '') {
    return undefined
  }
  const { response } = JSON.parse(text) as { response?: unknown }
  return typeof response === 'object' && response !== null ? response : undefined
}
