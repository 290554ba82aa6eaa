import { LoraplexError } from '../../errors.ts'
import { longStringHead } from './long-string-head.ts'

/** From here on a string is text: nothing that is decided here depends on it. */
const longStringBytes = 1024
/** A segment is cut at the next place that allows it. */
const fullWeight = 25_000
const fullBytes = 128 * 1024
/** What lies between two such places. */
const maxWeight = 128 * 1024
const maxBytes = 1024 * 1024
/** Of a whole body: a million numbers, or some 25,000 messages. */
const maxTotalWeight = 1024 * 1024
/** Of one list, apart from numbers: nobody here looks at more of those. */
const maxElements = 32 * 1024

/**
 * The value of a JSON object that is read a part at a time. Each segment is an object of its own, and a list that was cut
 * stands in two of them under the same name. Of long strings only the beginning is read: decoding and parsing hundreds of
 * kilobytes of prompt would cost more than everything else.
 */
export class JsonSegments {
  readonly #body: Buffer
  #value: Record<string, unknown> | undefined
  #text = ''
  /** What comes before is in `#text` or parsed. */
  #from = 0
  /** Of the present segment, which began at the last cut. */
  #weight = 0
  #totalWeight = 0

  constructor(body: Buffer) {
    this.#body = body
  }

  get value(): Readonly<Record<string, unknown>> {
    return this.#value ?? {}
  }

  /** The present segment ends there at the latest. */
  get farthest(): number {
    return Math.min(this.#body.length, this.#from + maxBytes - this.#text.length)
  }

  /** @throws LoraplexError invalid_json */
  add(weight: number): void {
    this.#weight += weight
    if (this.#weight > maxWeight) {
      throw tooMuch()
    }
  }

  isFull(at: number): boolean {
    return this.#weight > fullWeight || this.#text.length + at - this.#from > fullBytes
  }

  passString(start: number, end: number): void {
    if (end - start > longStringBytes) {
      this.#text +=
        this.#body.toString('utf8', this.#from, start) + longStringHead(this.#body, start)
      this.#from = end
    }
  }

  /** The segment ends at `at`; the next one starts from `next`. The brackets make an object of each. */
  cut(at: number, closing: string, opening: string, next: number): void {
    this.#parse(at, closing)
    this.#text = opening
    this.#from = next
  }

  end(): void {
    this.#parse(this.#body.length, '')
    this.#text = ''
  }

  #parse(at: number, closing: string): void {
    this.#totalWeight += this.#weight
    const bytes = this.#text.length + at - this.#from
    if (bytes > maxBytes || this.#totalWeight > maxTotalWeight) {
      throw tooMuch()
    }
    this.#weight = 0
    const part = parse(`${this.#text}${this.#body.toString('utf8', this.#from, at)}${closing}`)
    if (this.#value === undefined) {
      this.#value = part
    } else {
      join(this.#value, part)
    }
  }
}

export function tooMuch(): LoraplexError {
  return new LoraplexError('invalid_json', 'The request body holds too many values.')
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    throw new LoraplexError('invalid_json', 'The request body is not valid JSON.')
  }
}

/** Keys are unique but for lists that were cut; one may be `__proto__`. */
function join(value: Record<string, unknown>, part: Record<string, unknown>): void {
  for (const key of Object.keys(part)) {
    const list = Object.hasOwn(value, key) ? value[key] : undefined
    const more = part[key]
    if (Array.isArray(list) && Array.isArray(more)) {
      append(list, more)
    } else {
      Object.defineProperty(value, key, {
        value: more,
        enumerable: true,
        configurable: true,
        writable: true,
      })
    }
  }
}

function append(list: unknown[], more: readonly unknown[]): void {
  if (list.length + more.length <= maxElements) {
    for (const element of more) {
      list.push(element)
    }
  } else if (typeof list[0] !== 'number' || !more.every((element) => typeof element === 'number')) {
    throw tooMuch()
  }
}
