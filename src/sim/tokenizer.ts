import { mix } from './hash.ts'
import { blockTokens } from './prefix-cache.ts'

export interface ChatMessage {
  readonly role: string
  readonly content: string | readonly { readonly text: string }[] | null
}

/** Longest piece of text that is one token where there is no byte-level vocabulary. */
const longestTokenChars = 8
const averageTokenChars = 6

/** A chat as one prompt: the template of the fixtures' model, used for every model. */
export function renderChat(messages: readonly ChatMessage[], generationPrompt = true): string {
  let text = ''
  for (const { role, content } of messages) {
    text += `<|${role}|>${contentText(content)}${role === 'assistant' ? '</s>' : ''}`
  }
  return generationPrompt ? `${text}<|assistant|>` : text
}

function contentText(content: ChatMessage['content']): string {
  if (content === null || typeof content === 'string') {
    return content ?? ''
  }
  return content.map((part) => part.text).join('')
}

const specialToken = /<\|(?:system|user|assistant)\|>|<\/?s>/gu

/**
 * Splits prompts. A vocabulary of a few hundred is byte-level (the fixtures' model): a token a byte, a token a special
 * marker. Anything larger: about a token a word, long words in pieces of eight characters.
 */
export class Tokenizer {
  readonly #byteLevel: boolean
  readonly #vocabularySize: number

  constructor(vocabularySize: number) {
    this.#byteLevel = vocabularySize < 512
    this.#vocabularySize = vocabularySize
  }

  count(prompt: string): number {
    return this.#byteLevel ? byteTokens(prompt) : wordTokens(prompt)
  }

  /** Token ids. Those of equal texts are equal; they mean nothing else. */
  ids(prompt: string): readonly number[] {
    if (this.#byteLevel) {
      return byteIds(prompt)
    }
    const ids: number[] = []
    eachWord(prompt, (hash) => {
      ids.push(hash % this.#vocabularySize)
    })
    return ids
  }

  /** The text of each token; only as good as the split is. */
  pieces(prompt: string): readonly string[] {
    return this.#byteLevel
      ? Array.from(Buffer.from(prompt), (byte) => String.fromCodePoint(byte))
      : (prompt.match(/[^\0- ]{1,8}/g) ?? [])
  }

  /** Chained hashes of the prompt's full KV blocks, starting from `seed`: equal prefixes have equal blocks. */
  blocks(prompt: string, tokens: number, seed: number): readonly number[] {
    const blockChars = blockTokens * (this.#byteLevel ? 1 : averageTokenChars)
    const count = Math.min(Math.floor(tokens / blockTokens), Math.floor(prompt.length / blockChars))
    const blocks: number[] = []
    let hash = seed
    for (let block = 1; block <= count; block++) {
      for (let i = (block - 1) * blockChars; i < block * blockChars; i++) {
        hash = Math.imul(hash ^ prompt.charCodeAt(i), 0x01000193)
      }
      // 53 bits, so that two prompts do not meet by chance.
      blocks.push((hash >>> 0) * 0x20_0000 + (mix(hash, block) & 0x1f_ffff))
    }
    return blocks
  }
}

const specialIds: Readonly<Record<string, number>> = {
  '<s>': 256,
  '</s>': 257,
  '<|system|>': 259,
  '<|user|>': 260,
  '<|assistant|>': 261,
}

function byteIds(prompt: string): readonly number[] {
  const ids: number[] = []
  let from = 0
  for (const marker of prompt.matchAll(specialToken)) {
    ids.push(...Array.from(Buffer.from(prompt.slice(from, marker.index)), byteId))
    ids.push(specialIds[marker[0]] ?? 0)
    from = marker.index + marker[0].length
  }
  return ids.concat(Array.from(Buffer.from(prompt.slice(from)), byteId))
}

/** GPT-2's order of bytes: the printable ones of Latin-1 first, the others after them. */
const byteOrder = [
  ...span(33, 126),
  ...span(161, 172),
  ...span(174, 255),
  ...span(0, 32),
  ...span(127, 160),
  173,
]

function byteId(byte: number): number {
  return byteOrder.indexOf(byte)
}

function span(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}

function byteTokens(prompt: string): number {
  let specials = 0
  let specialChars = 0
  for (const [marker] of prompt.matchAll(specialToken)) {
    specials += 1
    specialChars += marker.length
  }
  return Buffer.byteLength(prompt) - specialChars + specials
}

function wordTokens(prompt: string): number {
  let tokens = 0
  let length = longestTokenChars
  let wasSpace = true
  for (let i = 0; i < prompt.length; i++) {
    const isSpace = prompt.charCodeAt(i) <= 0x20
    if (!isSpace && (wasSpace || length >= longestTokenChars)) {
      tokens += 1
      length = 0
    }
    length += 1
    wasSpace = isSpace
  }
  return tokens
}

function eachWord(prompt: string, see: (hash: number) => void): void {
  for (const [word] of prompt.matchAll(/[^\0- ]{1,8}/g)) {
    let hash = 0x811c9dc5
    for (let i = 0; i < word.length; i++) {
      hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193)
    }
    see(hash >>> 0)
  }
}
