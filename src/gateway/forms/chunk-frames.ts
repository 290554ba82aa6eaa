import { latin1Json } from '../request/latin1-json.ts'
import { dataOf } from './data-of.ts'
import { endOfObject } from './end-of-object.ts'
import { engineFingerprint } from './engine-fingerprint.ts'
import { nameEntries } from './name-entries.ts'
import {
  noTrail,
  type FrameRewriter,
  type RewriteOptions,
  type StreamFault,
} from './frame-rewriter.ts'

/**
 * Chat completions and completions: every frame is `data:` with the model's name. Works on the text of the frames: inside
 * a JSON string every quote is escaped, so `,"usage":{` and `"model":"…"` can only be keys.
 */
export class ChunkFrames implements FrameRewriter {
  readonly trail = noTrail
  readonly choices = new Map<number, string>()
  readonly #needle: string
  readonly #replacement: string
  readonly #includeUsage: boolean
  readonly #continuousUsage: boolean
  usage = ''
  done = false
  fault: StreamFault | undefined
  frames = 0

  constructor(options: RewriteOptions) {
    this.#needle = `"model":${latin1Json(options.engineModel)}`
    this.#replacement = nameEntries(options)
    this.#includeUsage = options.includeUsage
    this.#continuousUsage = options.continuousUsage
  }

  rewrite(frame: string): string {
    const at = frame.indexOf(this.#needle)
    if (at === -1) {
      return this.#rewriteOther(frame)
    }
    if (frame.includes('"finish_reason":"abort"')) {
      this.fault = { fault: 'Aborted' }
      return ''
    }
    const head = frame.slice(0, at) + this.#replacement
    const after = at + this.#needle.length
    const usageAt = frame.indexOf(',"usage":{', after)
    if (usageAt === -1) {
      this.frames += 1
      return head + frame.slice(after).replace(engineFingerprint, '')
    }
    const usageEnd = endOfObject(frame, usageAt + 9)
    this.usage = frame.slice(usageAt + 9, usageEnd)
    this.frames = 0
    this.choices.set(choiceOf(frame, after), this.usage)
    // vLLM's own fingerprint, where it was not launched by us, stands at the end of the last frame.
    const rest = frame.slice(usageEnd).replace(engineFingerprint, '')
    if (frame.startsWith(',"choices":[]', after)) {
      this.choices.clear()
      return this.#includeUsage ? head + frame.slice(after, usageEnd) + rest : ''
    }
    return head + frame.slice(after, this.#continuousUsage ? usageEnd : usageAt) + rest
  }

  #rewriteOther(frame: string): string {
    if (frame === 'data: [DONE]\n\n') {
      this.done = true
      return frame
    }
    if (frame.startsWith(':') || frame === '\n\n') {
      return frame
    }
    this.fault = frame.startsWith('data: {"error"')
      ? { fault: 'EngineError', body: dataOf(frame) }
      : { fault: 'WrongModel' }
    return ''
  }
}

const choiceField = ',"choices":[{"index":'

/** Which choice a frame is of; 0 where it does not say so in front. */
function choiceOf(frame: string, after: number): number {
  if (!frame.startsWith(choiceField, after)) {
    return 0
  }
  const at = after + choiceField.length
  return Number.parseInt(frame.slice(at, at + 6), 10) || 0
}
