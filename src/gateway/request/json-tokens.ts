import { LoraplexError } from '../../errors.ts'

export const quote = 0x22
const backslash = 0x5c

const maxSpaceBytes = 256 * 1024

/**
 * Where something else stands; the body's length at the most. Like all loops here it never reads behind the end: once V8
 * has seen that, it makes code that is ten times slower, for everybody who comes later.
 * @throws LoraplexError invalid_json
 */
export function skipSpace(body: Buffer, start: number): number {
  const end = Math.min(body.length, start + maxSpaceBytes)
  let at = start
  while (at < end && isSpace(body[at])) {
    at += 1
  }
  if (at - start === maxSpaceBytes) {
    throw new LoraplexError('invalid_json', 'The request body holds too much white space.')
  }
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** undefined behind the end, without a look there. */
export function byteAt(body: Buffer, at: number): number | undefined {
  return at < body.length ? body[at] : undefined
}

/** So far a look at each byte is cheaper than a native search. */
const shortStringBytes = 48

/**
 * From the opening quote to just after the closing one. Long strings are crossed natively; where that only finds escaped
 * quotes, each byte is looked at for longer and longer.
 * @throws LoraplexError invalid_json, where no string begins here or it does not end
 */
export function endOfString(body: Buffer, start: number): number {
  const last = body.length - 1
  let at = byteAt(body, start) === quote ? start : last
  for (let look = shortStringBytes; at < last; look *= 2) {
    const near = Math.min(at + look, last)
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
    const found = body.indexOf(quote, at + 1)
    if (found === -1) {
      break
    }
    let before = found - 1
    while (before > at && body[before] === backslash) {
      before -= 1
    }
    if ((found - before) % 2 === 1) {
      return found + 1
    }
    at = found
  }
  throw new LoraplexError('invalid_json', 'The request body is not valid JSON.')
}

/** A number or a word, so far as nothing ends it; not further than `most` bytes. */
export function endOfNumber(body: Buffer, start: number, most: number): number {
  const end = Math.min(body.length, start + most)
  let at = start
  while (at < end && !endsPrimitive(body[at])) {
    at += 1
  }
  return at
}

function endsPrimitive(byte: number | undefined): boolean {
  return byte === 0x2c || byte === 0x7d || byte === 0x5d || isSpace(byte)
}
