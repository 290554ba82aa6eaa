import { latin1Json } from '../request/latin1-json.ts'
import { dataOf } from './data-of.ts'
import {
  noChoices,
  type FrameRewriter,
  type RewriteOptions,
  type StreamFault,
} from './frame-rewriter.ts'
import { lastUsage } from './last-usage.ts'
import { nameEntries } from './name-entries.ts'

/** The events of one API that mean something on the way through; all others are the caller's answer and pass as they are. */
export interface EventNames {
  /** Each of these says whose answer it is; the stream begins with one of them. */
  readonly named: ReadonlySet<string>
  readonly withUsage: ReadonlySet<string>
  /** The last event of a stream that ended as it should. */
  readonly last: ReadonlySet<string>
  /** One token at least. */
  readonly delta: RegExp
  /** The engine's own words for a stream that it gave up. */
  isAborted(event: string, frame: string): boolean
}

/** Messages and responses: every frame has its event's name, and only some of them say whose answer they are. */
export class EventFrames implements FrameRewriter {
  readonly choices = noChoices
  readonly #names: EventNames
  readonly #needle: string
  readonly #replacement: string
  #first = ''
  #last = ''
  usage = ''
  done = false
  fault: StreamFault | undefined
  frames = 0

  constructor(names: EventNames, options: RewriteOptions) {
    this.#names = names
    this.#needle = `"model":${latin1Json(options.engineModel)}`
    this.#replacement = nameEntries(options)
  }

  get trail() {
    return { first: this.#first, last: this.#last }
  }

  rewrite(frame: string): string {
    if (frame.startsWith(':') || frame === '\n\n') {
      return frame
    }
    const names = this.#names
    const event = frame.startsWith(eventField) ? frame.slice(7, frame.indexOf('\n')) : ''
    if (event === 'error' || event === '') {
      this.fault = faultOf(event, frame)
      return ''
    }
    if (names.isAborted(event, frame)) {
      this.fault = { fault: 'Aborted' }
      return ''
    }
    if (names.withUsage.has(event)) {
      this.#readUsage(frame)
    }
    if (names.delta.test(event)) {
      this.frames += 1
    }
    this.done = names.last.has(event)
    this.#last = this.#named(event, frame)
    return this.#last
  }

  /** I1: the stream's first frame says whose answer it is, and each that says so says the same. */
  #named(event: string, frame: string): string {
    const isNamed = this.#names.named.has(event)
    if (!isNamed && this.#first !== '') {
      return frame
    }
    const at = isNamed ? frame.indexOf(this.#needle) : -1
    if (at === -1) {
      this.fault = { fault: 'WrongModel' }
      this.done = false
      return ''
    }
    const named = frame.slice(0, at) + this.#replacement + frame.slice(at + this.#needle.length)
    if (this.#first === '') {
      this.#first = named
    }
    return named
  }

  #readUsage(frame: string): void {
    const usage = lastUsage(frame)
    if (usage !== '') {
      this.usage = usage
      this.frames = 0
    }
  }
}

const eventField = 'event: '

function faultOf(event: string, frame: string): StreamFault {
  return event === 'error' || frame.startsWith('data: {"error"')
    ? { fault: 'EngineError', body: dataOf(frame) }
    : { fault: 'WrongModel' }
}
