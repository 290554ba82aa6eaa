/** Why a text is refused; `undefined` problem means the value is there. */
export type JsonOutcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly detail: string }

export interface JsonLimits {
  readonly maxDepth: number
  /** Keys of all objects together. */
  readonly maxKeys: number
  /** Numbers must be plain decimal digits: what a reader that wants unsigned integers takes. */
  readonly unsignedIntegersOnly?: boolean
}

const quote = 0x22
const backslash = 0x5c
const colon = 0x3a

/**
 * JSON that every reader understands alike: valid UTF-8 without a byte order mark, no key twice in an object, bounded
 * in depth and keys before anything is built from it. Readers differ in which of two equal keys they take, so a file
 * with both could show one thing to this check and another to the engine.
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits): JsonOutcome {
  const text = decodeUtf8(bytes)
  if (text === undefined) {
    return { ok: false, detail: 'it is not valid UTF-8' }
  }
  const detail = new KeyScanner(text, limits).scan()
  if (detail !== undefined) {
    return { ok: false, detail }
  }
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch {
    return { ok: false, detail: 'it is not valid JSON' }
  }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/**
 * Walks over the text once and looks only at brackets, keys and numbers. On text that is not JSON it may find
 * nothing or the wrong thing; JSON.parse refuses that text afterwards.
 */
class KeyScanner {
  readonly #text: string
  readonly #limits: JsonLimits
  /** Keys seen in each open object; undefined stands for an open array. */
  readonly #open: (Set<string> | undefined)[] = []
  #keys = 0

  constructor(text: string, limits: JsonLimits) {
    this.#text = text
    this.#limits = limits
  }

  scan(): string | undefined {
    for (let at = 0; at < this.#text.length; at++) {
      const code = this.#text.charCodeAt(at)
      if (code === quote) {
        const end = this.#endOfString(at)
        const detail = this.#isKey(end) ? this.#addKey(at, end) : undefined
        if (detail !== undefined) {
          return detail
        }
        at = end
        continue
      }
      const detail = this.#structure(code)
      if (detail !== undefined) {
        return detail
      }
    }
    return undefined
  }

  #structure(code: number): string | undefined {
    switch (code) {
      case 0x7b: // {
        this.#open.push(new Set())
        break
      case 0x5b: // [
        this.#open.push(undefined)
        break
      case 0x7d: // }
      case 0x5d: // ]
        this.#open.pop()
        break
      default:
        return this.#limits.unsignedIntegersOnly === true && !isIntegerPart(code)
          ? 'it holds something other than objects, arrays, strings and whole numbers'
          : undefined
    }
    return this.#open.length > this.#limits.maxDepth
      ? `it is nested more than ${this.#limits.maxDepth} deep`
      : undefined
  }

  /** Index of the closing quote, or the text's length. */
  #endOfString(start: number): number {
    let at = start + 1
    while (at < this.#text.length) {
      const code = this.#text.charCodeAt(at)
      if (code === quote) {
        return at
      }
      at += code === backslash ? 2 : 1
    }
    return this.#text.length
  }

  #isKey(end: number): boolean {
    let at = end + 1
    while (isSpace(this.#text.charCodeAt(at))) {
      at++
    }
    return this.#text.charCodeAt(at) === colon
  }

  #addKey(start: number, end: number): string | undefined {
    const seen = this.#open.at(-1)
    const key = decodeKey(this.#text.slice(start, end + 1))
    if (seen === undefined || key === undefined) {
      return undefined // not JSON: JSON.parse says so
    }
    if (seen.has(key)) {
      return `it has the key ${JSON.stringify(key.slice(0, 100))} twice`
    }
    seen.add(key)
    this.#keys++
    return this.#keys > this.#limits.maxKeys
      ? `it has more than ${this.#limits.maxKeys} keys`
      : undefined
  }
}

function decodeKey(literal: string): string | undefined {
  if (!literal.includes('\\')) {
    return literal.slice(1, -1)
  }
  try {
    return JSON.parse(literal) as string
  } catch {
    return undefined
  }
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

/** Digits, comma, colon, white space. */
function isIntegerPart(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2c || code === colon || isSpace(code)
}
