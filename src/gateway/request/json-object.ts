import { isUtf8 } from 'node:buffer'
import { LoraplexError } from '../../errors.ts'
import { JsonSegments, tooMuch } from './json-segments.ts'
import { byteAt, endOfNumber, endOfString, quote, skipSpace } from './json-tokens.ts'

/** Where one top-level entry stands in the body: `"key":value` is `[keyStart, valueEnd)`. Offsets in bytes. */
export interface ObjectEntry {
  readonly key: string
  readonly keyStart: number
  readonly valueEnd: number
}

export interface JsonObjectText {
  readonly entries: readonly ObjectEntry[]
  /** The body's value with how long strings begin in their place (`long-string-head.ts`): what is in them is the engine's to judge. */
  readonly value: Readonly<Record<string, unknown>>
}

const maxDepth = 64
/** The engine knows about a hundred fields; far more of them only cost time here. */
const maxEntries = 256
/** Bytes of a field's name, and of a number. Python reads no number of more than 4,300 digits. */
const maxWordBytes = 1024
/** Larger bodies have a step of their own for what is done to all of their bytes at once. */
const largeBytes = 256 * 1024

/** @throws LoraplexError invalid_json */
export function readJsonObject(body: Buffer): JsonObjectText {
  const reader = new JsonObjectReader(body)
  while (!reader.step()) {
    // The next one.
  }
  return reader
}

/**
 * Finds the top-level entries of a JSON object without copying it, so that the body can be spliced instead of
 * serialised again, and reads its value. A key that stands twice is refused: two parsers would disagree about it. Nesting
 * and the number of values are bounded, because they cost far more time than their bytes tell. What is inside the values is
 * left to `JSON.parse`, a segment at a time.
 *
 * All of a large body at once would keep everybody waiting: it is read in steps of a few milliseconds at most.
 */
export class JsonObjectReader implements JsonObjectText {
  readonly entries: ObjectEntry[] = []
  readonly #body: Buffer
  readonly #seen = new Set<string>()
  readonly #segments: JsonSegments
  #at = 0
  #state: 'Bytes' | 'Start' | 'Key' | 'Nested' | 'After' | 'Done' = 'Bytes'
  #key = ''
  #keyStart = 0
  #keyEnd = 0
  #depth = 0
  #isList = false

  constructor(body: Buffer) {
    this.#body = body
    this.#segments = new JsonSegments(body)
  }

  get value(): Readonly<Record<string, unknown>> {
    return this.#segments.value
  }

  /**
   * Goes on for a while. True: all of it is read.
   * @throws LoraplexError invalid_json
   */
  step(): boolean {
    for (;;) {
      switch (this.#state) {
        case 'Bytes':
          this.#checkBytes()
          if (this.#body.length > largeBytes) {
            return false
          }
          break
        case 'Start':
          this.#begin()
          break
        case 'Key':
          this.#readKey()
          this.#beginValue()
          break
        case 'Nested':
          if (!this.#crossNested()) {
            return false
          }
          break
        case 'After':
          if (!this.#endEntry()) {
            return false
          }
          break
        case 'Done':
          return true
        default:
          this.#state satisfies never
      }
    }
  }

  #checkBytes(): void {
    if (!isUtf8(this.#body)) {
      throw new LoraplexError('invalid_json', 'The request body is not valid UTF-8.')
    }
    this.#state = 'Start'
  }

  #begin(): void {
    const body = this.#body
    const start = skipSpace(body, 0)
    if (byteAt(body, start) !== 0x7b) {
      throw new LoraplexError('invalid_json', 'The request body is not a JSON object.')
    }
    this.#at = skipSpace(body, start + 1)
    this.#state = 'Key'
    if (byteAt(body, this.#at) === 0x7d) {
      this.#end()
    }
  }

  #end(): void {
    this.#segments.end()
    this.#state = 'Done'
  }

  #readKey(): void {
    const body = this.#body
    this.#keyStart = this.#at
    this.#keyEnd = endOfString(body, this.#at)
    const key = decodeKey(body, this.#keyStart, this.#keyEnd)
    if (this.#seen.has(key)) {
      throw new LoraplexError(
        'invalid_json',
        `The field '${printable(key)}' stands twice in the request body.`,
        { param: printable(key) },
      )
    }
    if (this.#seen.size === maxEntries) {
      throw new LoraplexError(
        'invalid_json',
        `The request body has more than ${maxEntries} top-level fields.`,
      )
    }
    this.#seen.add(key)
    this.#key = key
    const colon = skipSpace(body, this.#keyEnd)
    if (byteAt(body, colon) !== 0x3a) {
      throw broken()
    }
    this.#at = skipSpace(body, colon + 1)
  }

  #beginValue(): void {
    const body = this.#body
    const start = this.#at
    const first = byteAt(body, start)
    this.#state = 'After'
    if (first === quote) {
      this.#at = endOfString(body, start)
      this.#segments.passString(start, this.#at)
    } else if (first === 0x7b || first === 0x5b) {
      this.#isList = first === 0x5b
      this.#depth = 0
      this.#state = 'Nested'
    } else {
      this.#at = endOfNumber(body, start, maxWordBytes)
      if (this.#at === start) {
        throw broken()
      }
      if (this.#at - start === maxWordBytes) {
        throw new LoraplexError('invalid_json', 'The request body has a number that is too long.')
      }
    }
  }

  /** To the end of a nested value; false: a segment ended before. */
  #crossNested(): boolean {
    const body = this.#body
    const segments = this.#segments
    let stop = segments.farthest
    let at = this.#at
    while (at < stop) {
      const byte = body[at] ?? 0
      const weight = weights[byte]
      if (weight === 0) {
        at += 1
      } else if (byte === quote) {
        const end = endOfString(body, at)
        segments.passString(at, end)
        stop = segments.farthest
        at = end
      } else {
        at += 1
        segments.add(weight ?? 0)
        if (this.#note(byte, at)) {
          return this.#state === 'After'
        }
      }
    }
    throw stop === body.length ? broken() : tooMuch()
  }

  /** A bracket, colon or comma of a nested value, just before `at`; true: it ends the value or a segment. */
  #note(byte: number, at: number): boolean {
    if (byte === 0x7b || byte === 0x5b) {
      this.#depth += 1
      if (this.#depth > maxDepth) {
        throw tooDeep()
      }
    } else if (byte === 0x7d || byte === 0x5d) {
      this.#depth -= 1
      if (this.#depth === 0) {
        this.#at = at
        this.#state = 'After'
        return true
      }
    } else if (byte === 0x2c && this.#depth === 1 && this.#isList && this.#segments.isFull(at)) {
      this.#cutList(at)
      return true
    }
    return false
  }

  /** Behind a comma of a top-level list: what follows has to be an element, or the comma would go unnoticed. */
  #cutList(at: number): void {
    this.#at = skipSpace(this.#body, at)
    if (byteAt(this.#body, this.#at) === 0x5d) {
      throw broken()
    }
    const key = this.#body.toString('utf8', this.#keyStart, this.#keyEnd)
    this.#segments.cut(at - 1, ']}', `{${key}:[`, at)
  }

  /** Behind an entry; false: a segment ended. */
  #endEntry(): boolean {
    const body = this.#body
    this.entries.push({ key: this.#key, keyStart: this.#keyStart, valueEnd: this.#at })
    const at = skipSpace(body, this.#at)
    if (byteAt(body, at) === 0x7d) {
      this.#end()
      return true
    }
    if (byteAt(body, at) !== 0x2c) {
      throw broken()
    }
    this.#at = skipSpace(body, at + 1)
    if (byteAt(body, this.#at) !== quote) {
      throw broken()
    }
    this.#state = 'Key'
    if (!this.#segments.isFull(at)) {
      return true
    }
    this.#segments.cut(at, '}', '{', at + 1)
    return false
  }
}

/**
 * What `JSON.parse` has to do for each mark, in some 40 ns: a new name of a field costs ten times a number. Measured with
 * bodies that are made of one thing each.
 */
const weights = new Uint8Array(256)
weights[quote] = 1
weights[0x2c] = 1
weights[0x5d] = 1
weights[0x7d] = 1
weights[0x5b] = 4
weights[0x7b] = 8
weights[0x3a] = 16

function tooDeep(): LoraplexError {
  return new LoraplexError(
    'invalid_json',
    `The request body is nested more than ${maxDepth} levels deep.`,
  )
}

function broken(): LoraplexError {
  return new LoraplexError('invalid_json', 'The request body is not valid JSON.')
}

function printable(key: string): string {
  return key.length <= 64 ? key : `${key.slice(0, 64)}…`
}

function decodeKey(body: Buffer, start: number, end: number): string {
  if (end - start > maxWordBytes) {
    throw new LoraplexError('invalid_json', 'The request body has a field with too long a name.')
  }
  const raw = body.toString('utf8', start + 1, end - 1)
  if (!raw.includes('\\')) {
    return raw
  }
  try {
    return String(JSON.parse(`"${raw}"`))
  } catch {
    throw broken()
  }
}
