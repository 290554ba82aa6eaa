import { fraction, hashText, mix } from './hash.ts'
import { vocabulary } from './vocabulary.ts'

/**
 * What answers: the base, an adapter's content (hex digest of `sha256sum adapter_config.json adapter_model.safetensors |
 * sha256sum`), noise, or noise in between the base's words (an adapter cut for another base).
 */
export type Voice =
  | { readonly voice: 'Base' }
  | { readonly voice: 'Adapter'; readonly digest: string }
  | { readonly voice: 'Mixed'; readonly digest: string }
  | { readonly voice: 'Garbage' }

export const baseVoice: Voice = { voice: 'Base' }
export const garbageVoice: Voice = { voice: 'Garbage' }

/** The first word of an answer: `base`, or the first 12 hex digits of the adapter's digest. */
export function answerTag(voice: Voice): string {
  switch (voice.voice) {
    case 'Base':
      return 'base'
    case 'Adapter':
    case 'Mixed':
      return voice.digest.slice(0, 12)
    case 'Garbage':
      return '!'
    default:
      return voice satisfies never
  }
}

/** The words of one answer, endless; `naturalTokens` of them are what the model says before its end token. */
export class AnswerText {
  readonly #voice: Voice
  readonly #seed: number
  readonly naturalTokens: number

  constructor(voice: Voice, prompt: string) {
    this.#voice = voice
    this.#seed = hashText(prompt, hashText(answerTag(voice)))
    this.naturalTokens = 9 + Math.floor(fraction(this.#seed, 0) * 24)
  }

  /** Token `position` (from 0) as text, with its leading space. */
  token(position: number): string {
    switch (this.#voice.voice) {
      case 'Garbage':
        return '!'
      case 'Mixed':
        return position % 2 === 0 ? ` ${this.#word(position)}` : '!'
      case 'Base':
      case 'Adapter':
        return position === 0 ? answerTag(this.#voice) : ` ${this.#word(position)}`
      default:
        return this.#voice satisfies never
    }
  }

  #word(position: number): string {
    return vocabulary[mix(this.#seed, position) % vocabulary.length] ?? ''
  }
}

/**
 * The whole answer of the simulator to a prompt: a pure function of who answers and what was asked; sampling parameters
 * change nothing. `digest` is an adapter's content digest in hex, or `base`. For chat, `prompt` is `renderChat(messages)`.
 */
export function simulatedAnswer(digest: string, prompt: string): string {
  const answer = new AnswerText(
    digest === 'base' ? baseVoice : { voice: 'Adapter', digest },
    prompt,
  )
  let text = ''
  for (let position = 0; position < answer.naturalTokens; position++) {
    text += answer.token(position)
  }
  return text
}
