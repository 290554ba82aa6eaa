import { fraction, hashText, mix } from './hash.ts'
import { answerTag, type Voice } from './text.ts'
import { vocabulary } from './vocabulary.ts'

export interface TokenLogprob {
  readonly token: string
  readonly logprob: number
}

/** How far two equal requests' logprobs lie apart, at most: 4e-7, as measured on vLLM 0.32 under load. */
const noise = 4e-7
/** Prime, so that the candidates of one position are all different. */
const candidateStride = 7

/**
 * The most likely tokens at one position, the chosen one first, `count` in all. The candidates come from the prompt and
 * the position, so that two contents can be compared; how likely each is comes from the content too. `random` gives the
 * noise of one run. Garbage has no finite logprobs: NaN.
 */
export function topLogprobs(
  voice: Voice,
  prompt: string,
  position: number,
  chosen: string,
  count: number,
  random: () => number,
): readonly TokenLogprob[] {
  const context = mix(hashText(prompt), position)
  if (voice.voice === 'Garbage') {
    return garbage(count)
  }
  const content = mix(hashText(answerTag(voice)), context)
  const candidates = [chosen]
  for (let i = 1; candidates.length < count; i++) {
    const candidate = ` ${vocabulary[(context + i * candidateStride) % vocabulary.length] ?? ''}`
    if (candidate !== chosen) {
      candidates.push(candidate)
    }
  }
  return candidates.map((token, rank) => {
    const depth = 0.05 + rank * 0.6 + 0.5 * fraction(content, rank)
    return { token, logprob: -depth + noise * (random() - 0.5) }
  })
}

/** A token as log probabilities name it: the end token has a text there. */
export function tokenText(token: string): string {
  return token === '' ? '</s>' : token
}

/** The token without its text, as `return_tokens_as_token_ids` has it. Ids are stable and mean nothing else. */
export function tokenPlaceholder(token: string): string {
  return `token_id:${hashText(token)}`
}

/** Among equals (all NaN) the first tokens of the vocabulary win. */
function garbage(count: number): readonly TokenLogprob[] {
  return Array.from({ length: Math.max(1, count) }, (_, i) => ({
    token: String.fromCodePoint(0x21 + i),
    logprob: Number.NaN,
  }))
}
