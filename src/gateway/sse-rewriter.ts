import { latin1Json } from './latin1-json.ts'

/** What a stream of the engine turned out to be, where it is not plain data. */
export type StreamFault =
  /** A `data: {"error": …}` frame. `body` is its JSON text. */
  | { readonly fault: 'EngineError'; readonly body: string }
  /** A frame of another model, or none that we know: the bytes are not this request's (I1). */
  | { readonly fault: 'WrongModel' }
  | { readonly fault: 'FrameTooLong' }
  /** vLLM's answer to its own shutdown: looks like an ordinary end, and is none. */
  | { readonly fault: 'Aborted' }

export interface RewriteOptions {
  /** What the engine must say in `model`. */
  readonly engineModel: string
  /** What the caller reads in `model`. */
  readonly callerModel: string
  readonly fingerprint: string
  readonly includeUsage: boolean
  readonly continuousUsage: boolean
}

const maxFrameLength = 1024 * 1024

/**
 * Turns the engine's event stream into the caller's, frame by frame: `model` back to the caller's name, our
 * `system_fingerprint`, usage taken out where it was not asked for. Works on the text of the frames: inside a JSON string
 * every quote is escaped, so `,"usage":{` and `"model":"…"` can only be keys. Bytes pass as latin1, so UTF-8 cut between
 * two chunks stays whole.
 */
export class SseRewriter {
  readonly #needle: string
  readonly #replacement: string
  readonly #includeUsage: boolean
  readonly #continuousUsage: boolean
  #rest = ''
  #usage = ''
  #done = false
  #fault: StreamFault | undefined
  #frames = 0

  constructor(options: RewriteOptions) {
    this.#needle = `"model":${latin1Json(options.engineModel)}`
    this.#replacement = `"model":"${options.callerModel}","system_fingerprint":"${options.fingerprint}"`
    this.#includeUsage = options.includeUsage
    this.#continuousUsage = options.continuousUsage
  }

  /** `[DONE]` was seen: the stream ended as it should. */
  get done(): boolean {
    return this.#done
  }

  /** Once set, nothing more is rewritten. */
  get fault(): StreamFault | undefined {
    return this.#fault
  }

  /** Frames with content so far: the lower bound of tokens where the engine never spoke of usage. */
  get frames(): number {
    return this.#frames
  }

  /** The newest usage object's JSON text; empty when there was none. */
  get usage(): string {
    return this.#usage
  }

  /** Whole frames for the caller, as latin1 text; empty while a frame is incomplete. */
  push(chunk: Buffer): string {
    if (this.#fault !== undefined) {
      return ''
    }
    let text = chunk.toString('latin1')
    if (this.#rest !== '') {
      text = this.#rest + text
      this.#rest = ''
    }
    let out = ''
    let start = 0
    for (;;) {
      const end = text.indexOf('\n\n', start)
      if (end === -1) {
        break
      }
      out += this.#rewrite(text.slice(start, end + 2))
      start = end + 2
      if (this.#fault !== undefined) {
        return out
      }
    }
    if (start < text.length) {
      this.#rest = text.slice(start)
      if (this.#rest.length > maxFrameLength) {
        this.#fault = { fault: 'FrameTooLong' }
      }
    }
    return out
  }

  #rewrite(frame: string): string {
    const at = frame.indexOf(this.#needle)
    if (at === -1) {
      return this.#rewriteOther(frame)
    }
    if (frame.includes('"finish_reason":"abort"')) {
      this.#fault = { fault: 'Aborted' }
      return ''
    }
    const head = frame.slice(0, at) + this.#replacement
    const after = at + this.#needle.length
    const usageAt = frame.indexOf(',"usage":{', after)
    if (usageAt === -1) {
      this.#frames += 1
      return head + frame.slice(after).replace(engineFingerprint, '')
    }
    const usageEnd = endOfObject(frame, usageAt + 9)
    this.#usage = frame.slice(usageAt + 9, usageEnd)
    // vLLM's own fingerprint, where it was not launched by us, stands at the end of the last frame.
    const rest = frame.slice(usageEnd).replace(engineFingerprint, '')
    if (frame.startsWith(',"choices":[]', after)) {
      return this.#includeUsage ? head + frame.slice(after, usageEnd) + rest : ''
    }
    this.#frames += 1
    return head + frame.slice(after, this.#continuousUsage ? usageEnd : usageAt) + rest
  }

  #rewriteOther(frame: string): string {
    if (frame === 'data: [DONE]\n\n') {
      this.#done = true
      return frame
    }
    if (frame.startsWith(':') || frame === '\n\n') {
      return frame
    }
    this.#fault = frame.startsWith('data: {"error"')
      ? {
          fault: 'EngineError',
          body: Buffer.from(frame.slice(6), 'latin1').toString('utf8').trim(),
        }
      : { fault: 'WrongModel' }
    return ''
  }
}

const engineFingerprint = /,"system_fingerprint":(?:null|"[^"\\]*")/

/** From an opening brace to just after its closing one. Usage holds numbers and objects, no strings with braces. */
export function endOfObject(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x7b) {
      depth += 1
    } else if (code === 0x7d) {
      depth -= 1
      if (depth === 0) {
        return at + 1
      }
    }
  }
  return text.length
}
