import { isUtf8 } from 'node:buffer'
import { LoraplexError } from '../errors.ts'
import { longStringHead } from './long-string-head.ts'

/** Where one top-level entry stands in the body: `"key":value` is `[keyStart, valueEnd)`. Offsets in bytes. */
export interface ObjectEntry {
  readonly key: string
  readonly keyStart: number
  readonly valueEnd: number
}

export interface Span {
  readonly start: number
  readonly end: number
}

/** From here on a string is text: nothing that is decided here depends on it. */
const longStringBytes = 1024

const quote = 0x22
const backslash = 0x5c
const maxDepth = 64
/** The engine knows about a hundred fields; far more of them only cost time here. */
const maxEntries = 256

/**
 * Finds the top-level entries of a JSON object without copying it, so that the body can be spliced instead of
 * serialised again. A key that stands twice is refused: two parsers would disagree about it. Nesting is bounded, because
 * a deep body stalls parsers downstream. What is inside the values is left to `JSON.parse`. `longStrings` is filled with
 * the spans of long string values, quotes included.
 * @throws LoraplexError invalid_json
 */
export function scanJsonObject(body: Buffer, longStrings: Span[] = []): readonly ObjectEntry[] {
  if (!isUtf8(body)) {
    throw new LoraplexError('invalid_json', 'The request body is not valid UTF-8.')
  }
  const entries: ObjectEntry[] = []
  const seen = new Set<string>()
  let at = skipSpace(body, 0)
  if (body[at] !== 0x7b) {
    throw new LoraplexError('invalid_json', 'The request body is not a JSON object.')
  }
  at = skipSpace(body, at + 1)
  if (body[at] === 0x7d) {
    return entries
  }
  for (;;) {
    const keyStart = at
    if (body[at] !== quote) {
      throw broken()
    }
    at = skipString(body, at)
    const key = decodeKey(body, keyStart, at)
    if (seen.has(key)) {
      throw new LoraplexError(
        'invalid_json',
        `The field '${printable(key)}' stands twice in the request body.`,
        {
          param: printable(key),
        },
      )
    }
    if (seen.size === maxEntries) {
      throw new LoraplexError(
        'invalid_json',
        `The request body has more than ${maxEntries} top-level fields.`,
      )
    }
    seen.add(key)
    at = skipSpace(body, at)
    if (body[at] !== 0x3a) {
      throw broken()
    }
    at = skipValue(body, skipSpace(body, at + 1), longStrings)
    entries.push({ key, keyStart, valueEnd: at })
    at = skipSpace(body, at)
    if (body[at] === 0x7d) {
      return entries
    }
    if (body[at] !== 0x2c) {
      throw broken()
    }
    at = skipSpace(body, at + 1)
  }
}

function broken(): LoraplexError {
  return new LoraplexError('invalid_json', 'The request body is not valid JSON.')
}

function printable(key: string): string {
  return key.length <= 64 ? key : `${key.slice(0, 64)}…`
}

function decodeKey(body: Buffer, start: number, end: number): string {
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

function skipSpace(body: Buffer, start: number): number {
  let at = start
  for (;;) {
    const byte = body[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
      return at
    }
    at += 1
  }
}

/** So far a look at each byte is cheaper than a native search. */
const shortStringBytes = 48

/** From the opening quote to just after the closing one; long strings are crossed natively. */
function skipString(body: Buffer, start: number): number {
  let at = start
  const near = start + shortStringBytes
  while (at < near) {
    at += 1
    const byte = body[at]
    if (byte === quote) {
      return at + 1
    }
    if (byte === backslash) {
      at += 1
    }
  }
  for (;;) {
    at = body.indexOf(quote, at + 1)
    if (at === -1) {
      throw broken()
    }
    let before = at - 1
    while (body[before] === backslash) {
      before -= 1
    }
    if ((at - before) % 2 === 1) {
      return at + 1
    }
  }
}

function skipValue(body: Buffer, start: number, longStrings: Span[]): number {
  const first = body[start]
  if (first === quote) {
    return skipText(body, start, longStrings)
  }
  if (first === 0x7b || first === 0x5b) {
    return skipNested(body, start, longStrings)
  }
  let at = start
  while (at < body.length && !endsPrimitive(body[at])) {
    at += 1
  }
  if (at === start) {
    throw broken()
  }
  return at
}

function endsPrimitive(byte: number | undefined): boolean {
  return (
    byte === 0x2c ||
    byte === 0x7d ||
    byte === 0x5d ||
    byte === 0x20 ||
    byte === 0x0a ||
    byte === 0x0d ||
    byte === 0x09
  )
}

function skipText(body: Buffer, start: number, longStrings: Span[]): number {
  const end = skipString(body, start)
  if (end - start > longStringBytes) {
    longStrings.push({ start, end })
  }
  return end
}

function skipNested(body: Buffer, start: number, longStrings: Span[]): number {
  let depth = 0
  let at = start
  while (at < body.length) {
    const byte = body[at]
    if (byte === quote) {
      at = skipText(body, at, longStrings)
      continue
    }
    at += 1
    if (byte === 0x7b || byte === 0x5b) {
      depth += 1
      if (depth > maxDepth) {
        throw new LoraplexError(
          'invalid_json',
          `The request body is nested more than ${maxDepth} levels deep.`,
        )
      }
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1
      if (depth === 0) {
        return at
      }
    }
  }
  throw broken()
}

/**
 * The body's value with how long strings begin in their place (`long-string-head.ts`): decoding and parsing hundreds of
 * kilobytes of prompt would cost more than everything else here, and what is in them is the engine's to judge.
 * @throws LoraplexError invalid_json
 */
export function parseOutline(
  body: Buffer,
  longStrings: readonly Span[],
): Readonly<Record<string, unknown>> {
  let text = ''
  let at = 0
  for (const span of longStrings) {
    text += body.toString('utf8', at, span.start) + longStringHead(body, span.start)
    at = span.end
  }
  text += body.toString('utf8', at)
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    throw broken()
  }
}
