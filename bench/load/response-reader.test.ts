import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { StreamFrames } from '../upstream/answers.ts'
import { streamHead, wholeAnswer } from '../upstream/http-server.ts'
import { ResponseReader } from './response-reader.ts'

/** Feeds `bytes` cut at `cuts`; how many of the pieces were needed until the reader called it complete. */
function feed(reader: ResponseReader, bytes: Buffer, cuts: readonly number[]): boolean {
  const ends = [...new Set(cuts.map((cut) => cut % bytes.length)), bytes.length].sort(
    (a, b) => a - b,
  )
  let from = 0
  let isComplete = false
  for (const end of ends) {
    expect(isComplete).toBe(false)
    isComplete = end > from ? reader.read(bytes.subarray(from, end)) : isComplete
    from = end
  }
  return isComplete
}

const cuts = fc.array(fc.nat({ max: 100_000 }), { maxLength: 20 })

describe('ResponseReader', () => {
  test('finds the end of a whole answer however its bytes arrive', () => {
    const answer = wholeAnswer(404, 'application/json', Buffer.from('{"error":{}}\n\n'))
    fc.assert(
      fc.property(cuts, (where) => {
        const reader = new ResponseReader()
        expect(feed(reader, answer, where)).toBe(true)
        expect(reader.status).toBe(404)
        expect(reader.bodyBytes).toBe(14)
        expect(reader.tail).toContain('{"error":{}}')
      }),
    )
  })

  test('counts the frames of a stream however its bytes arrive', () => {
    const shape = {
      model: 'm',
      chunks: 5,
      includeUsage: true,
      continuousUsage: true,
      isLong: false,
    }
    const answer = Buffer.concat([streamHead, new StreamFrames(shape).all()])
    fc.assert(
      fc.property(cuts, (where) => {
        const reader = new ResponseReader()
        expect(feed(reader, answer, where)).toBe(true)
        // Role, five chunks, usage, [DONE].
        expect(reader.frames).toBe(8)
        expect(reader.tail).toMatch(/"completion_tokens":5\}\}\n\ndata: \[DONE\]\n\n$/)
      }),
    )
  })

  test('reads the next answer after a reset', () => {
    const reader = new ResponseReader()
    const answer = wholeAnswer(200, 'text/plain', Buffer.from('a\n\nb'))
    expect(reader.read(answer)).toBe(true)
    reader.reset()
    expect(reader.read(answer)).toBe(true)
    expect(reader.frames).toBe(1)
  })
})
