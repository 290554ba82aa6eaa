import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** A rotated file is kept beside the current one, so that an engine's logs take at most twice this. */
const defaultMaxBytes = 8 << 20
const tailLines = 40
const maxLineLength = 2_000

/** What an engine prints: to a bounded file, and its last lines in memory for the message of a failure. */
export class LogFile {
  readonly path: string
  readonly #maxBytes: number
  #file: number | undefined
  #size = 0
  #rest = ''
  readonly #tail: string[] = []

  constructor(path: string, maxBytes = defaultMaxBytes) {
    this.path = path
    this.#maxBytes = maxBytes
  }

  write(chunk: Buffer): void {
    this.#keepTail(chunk.toString('utf8'))
    this.#file ??= this.#open()
    if (this.#size + chunk.length > this.#maxBytes) {
      this.close()
      renameSync(this.path, `${this.path}.1`)
      this.#file = this.#open()
    }
    this.#size += writeSync(this.#file, chunk)
  }

  /** The last lines printed since `clearTail`. */
  tail(lines: number): readonly string[] {
    const all = this.#rest === '' ? this.#tail : [...this.#tail, this.#rest]
    return all.slice(-lines)
  }

  /** A new process begins: the lines of the last one explain nothing of it. */
  clearTail(): void {
    this.#tail.length = 0
    this.#rest = ''
  }

  close(): void {
    if (this.#file !== undefined) {
      closeSync(this.#file)
      this.#file = undefined
    }
  }

  #open(): number {
    mkdirSync(dirname(this.path), { recursive: true })
    const file = openSync(this.path, 'a', 0o600)
    this.#size = statSync(this.path).size
    return file
  }

  #keepTail(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = (lines.pop() ?? '').slice(0, maxLineLength)
    for (const line of lines) {
      this.#tail.push(line.trimEnd().slice(0, maxLineLength))
    }
    this.#tail.splice(0, this.#tail.length - tailLines)
  }
}
