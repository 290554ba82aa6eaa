import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planAnswer } from './answer-plan.ts'
import { topLogprobs } from './logprobs.ts'
import { AnswerText, answerTag, baseVoice, simulatedAnswer, type Voice } from './text.ts'
import { renderChat, Tokenizer } from './tokenizer.ts'
import { vocabulary } from './vocabulary.ts'

const digest = 'bb4c13fdf25957ae0c28a2c55a5d1a2d0b3c4d5e6f708192a3b4c5d6e7f80912'
const adapter: Voice = { voice: 'Adapter', digest }
const limits = {
  maxTokens: 100,
  minTokens: 0,
  ignoreEos: false,
  stop: [],
  naturalTokens: undefined,
}

describe('what the simulator says', () => {
  it('depends on the content and the prompt, and on nothing else', () => {
    expect(simulatedAnswer(digest, 'hello')).toBe(simulatedAnswer(digest, 'hello'))
    expect(simulatedAnswer(digest, 'hello')).not.toBe(simulatedAnswer(digest, 'hallo'))
    expect(simulatedAnswer(digest, 'hello')).not.toBe(simulatedAnswer('base', 'hello'))
  })

  it('begins with the first twelve digits of the digest, or with base', () => {
    expect(simulatedAnswer(digest, 'hello').split(' ')[0]).toBe('bb4c13fdf259')
    expect(simulatedAnswer('base', 'hello').split(' ')[0]).toBe('base')
    expect(answerTag(baseVoice)).toBe('base')
  })

  it('is cut by max_tokens, and never sooner than min_tokens', () => {
    const text = new AnswerText(adapter, 'hello')
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 0, max: 80 }), (max, min) => {
        const plan = planAnswer(text, { ...limits, maxTokens: max, minTokens: Math.min(min, max) })
        expect(plan.tokens.length).toBeLessThanOrEqual(max)
        expect(plan.tokens.length).toBeGreaterThanOrEqual(Math.min(min, max))
        expect(plan.finishReason).toBe(plan.tokens.at(-1) === '' ? 'stop' : 'length')
      }),
    )
  })

  it('goes on for ever where the end token is ignored', () => {
    const plan = planAnswer(new AnswerText(adapter, 'hello'), { ...limits, ignoreEos: true })
    expect(plan).toMatchObject({ finishReason: 'length' })
    expect(plan.tokens).toHaveLength(100)
  })

  it('never shows any part of a stop string, however a stream is cut into tokens', () => {
    const text = new AnswerText(adapter, 'hello')
    const whole = planAnswer(text, limits).tokens.join('')
    fc.assert(
      fc.property(fc.nat(whole.length - 2), fc.integer({ min: 1, max: 12 }), (from, length) => {
        const stop = whole.slice(from, from + length)
        const plan = planAnswer(text, { ...limits, stop: [stop] })
        expect(plan.deltas.join('')).toBe(whole.slice(0, whole.indexOf(stop)))
        expect(plan).toMatchObject({ finishReason: 'stop', stopReason: stop })
      }),
    )
  })

  it('shows everything when the stop string does not come', () => {
    const text = new AnswerText(adapter, 'hello')
    const plan = planAnswer(text, { ...limits, stop: ['xyzzy'] })
    expect(plan.deltas.join('')).toBe(planAnswer(text, limits).tokens.join(''))
    expect(plan).toMatchObject({ finishReason: 'stop', stopReason: null })
  })
})

describe('log probabilities', () => {
  it('name the chosen token first, every token once, and fall with the rank', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.nat(50),
        fc.integer({ min: 1, max: 20 }),
        (prompt, position, count) => {
          const chosen = ` ${vocabulary[position] ?? ''}`
          const top = topLogprobs(adapter, prompt, position, chosen, count, () => 0.5)
          expect(top[0]?.token).toBe(chosen)
          expect(new Set(top.map(({ token }) => token)).size).toBe(count)
          const values = top.map(({ logprob }) => logprob)
          expect(values).toEqual([...values].sort((a, b) => b - a))
          expect(Math.max(...values)).toBeLessThan(0)
        },
      ),
    )
  })
})

describe('the tokenizer', () => {
  const bytes = new Tokenizer(262)
  const words = new Tokenizer(128_256)

  it('counts bytes and special tokens of a byte-level vocabulary as the fixtures’ own does', () => {
    const chat = renderChat([{ role: 'user', content: 'hello' }])
    expect(bytes.count(chat)).toBe(7)
    expect(bytes.ids(chat)).toEqual([260, 71, 68, 75, 75, 78, 261])
    expect(bytes.count('grüße')).toBe(7)
  })

  it('counts about a token a word elsewhere, and long words in pieces', () => {
    expect(words.count('what grows in the garden?')).toBe(5)
    expect(words.count('x'.repeat(80))).toBe(10)
    expect(words.count('  ')).toBe(0)
  })

  it('counts as many tokens as it has ids', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(words.ids(text)).toHaveLength(words.count(text))
        expect(bytes.ids(text)).toHaveLength(bytes.count(text))
      }),
    )
  })

  it('has equal blocks for equal prefixes only', () => {
    const block = (text: string, seed = 1) => words.blocks(text, words.count(text), seed)
    const system = 'you answer questions about gardens. '.repeat(20)
    const [one, other] = [block(`${system}roses`), block(`${system}beans and more beans`)]
    const shared = one.filter((hash, i) => hash === other[i]).length
    expect(shared).toBeGreaterThanOrEqual(6)
    expect(block(system, 2).some((hash) => one.includes(hash))).toBe(false)
  })

  it('joins the text parts of a message', () => {
    const parts = [{ text: 'a' }, { text: 'b' }]
    expect(
      renderChat([
        { role: 'user', content: parts },
        { role: 'assistant', content: 'c' },
      ]),
    ).toBe('<|user|>ab<|assistant|>c</s><|assistant|>')
  })
})
