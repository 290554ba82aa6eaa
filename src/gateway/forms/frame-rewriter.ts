/** What a stream of the engine turned out to be, where it is not plain data. */
export type StreamFault =
  /** An error inside the stream. `body` is its JSON text. */
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

/** Judges and rewrites the frames of one stream, one after another. Frames are latin1 text with their blank line. */
export interface FrameRewriter {
  /** The frame for the caller; empty for none. Not called again once there is a fault. */
  rewrite(frame: string): string
  /** The frame that ends a stream as it should was seen. */
  readonly done: boolean
  readonly fault: StreamFault | undefined
  /** Frames with content since the engine last spoke of usage: the lower bound of tokens it has not counted yet. */
  readonly frames: number
  /** The newest usage object's JSON text; empty when there was none. */
  readonly usage: string
  /** The newest of each choice, by its index, as long as the engine counts them apart; empty where it never does. */
  readonly choices: ReadonlyMap<number, string>
  /** What an error has to refer to. */
  readonly trail: StreamTrail
}

/** What a caller has seen of a stream, as far as its bad end has to go on from there; latin1 text, empty where unknown. */
export interface StreamTrail {
  readonly first: string
  readonly last: string
}

export const noChoices: ReadonlyMap<number, string> = new Map()

export const noTrail: StreamTrail = { first: '', last: '' }
