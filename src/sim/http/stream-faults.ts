import type { ServerResponse } from 'node:http'
import type { Faults, FaultOf } from '../faults.ts'
import { writeChunk } from './chunked-writer.ts'

/** The faults of one request, chosen when it arrives, and the writing they get in the way of. */
export class StreamFaults {
  readonly #crash: FaultOf<'Crash'> | undefined
  readonly #hang: FaultOf<'Hang'> | undefined
  readonly #reset: FaultOf<'Reset'> | undefined
  readonly #error: FaultOf<'ErrorInStream'> | undefined
  readonly #drip: FaultOf<'SlowDrip'> | undefined
  readonly #onCrash: (exit: boolean) => void
  readonly #queue: string[] = []
  #timer: NodeJS.Timeout | undefined
  #isLast = false

  constructor(faults: Faults, model: string, prompt: string, onCrash: (exit: boolean) => void) {
    this.#crash = faults.take('Crash', model, prompt)
    this.#hang = faults.take('Hang', model)
    this.#reset = faults.take('Reset', model)
    this.#error = faults.take('ErrorInStream', model)
    this.#drip = faults.take('SlowDrip', model)
    this.#onCrash = onCrash
  }

  /** Before token `tokens` (0: before anything at all): true when the answer ends here, whatever the client thinks. */
  strike(response: ServerResponse, tokens: number): boolean {
    if (this.#crash?.afterTokens === tokens) {
      this.#onCrash(this.#crash.exit)
      return true
    }
    if (this.#reset?.afterTokens === tokens) {
      response.socket?.resetAndDestroy()
      return true
    }
    return this.#hang?.afterTokens === tokens
  }

  /** The message of an error event due instead of this token. */
  errorAt(tokens: number): string | undefined {
    return this.#error?.afterTokens === tokens ? this.#error.message : undefined
  }

  pace(response: ServerResponse, frames: string): void {
    if (this.#drip === undefined) {
      writeChunk(response, frames)
      return
    }
    this.#queue.push(frames)
    this.#dripNext(response, this.#drip.delayMs)
  }

  finish(response: ServerResponse): void {
    this.#isLast = true
    if (this.#drip === undefined) {
      response.end()
    } else {
      this.#dripNext(response, this.#drip.delayMs)
    }
  }

  delayWhole(sendIt: () => void): void {
    if (this.#drip === undefined) {
      sendIt()
    } else {
      this.#timer = setTimeout(sendIt, this.#drip.delayMs)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #dripNext(response: ServerResponse, delayMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      const frames = this.#queue.shift()
      if (frames !== undefined) {
        writeChunk(response, frames)
        this.#dripNext(response, delayMs)
      } else if (this.#isLast) {
        response.end()
      }
    }, delayMs)
  }
}
