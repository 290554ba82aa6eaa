import { fraction, hashText, mix } from './hash.ts'
import { answerTag, type Voice } from './text.ts'

/** What a content moves an embedding by, beside the words. */
const contentWeight = 0.5
/** As of log probabilities: how far two equal requests' numbers lie apart. */
const noise = 4e-7

/**
 * A unit vector for a text: the sum of its words' directions, so that texts with words in common are near one another, and
 * one of the content. Garbage has none: NaN.
 */
export function embed(
  voice: Voice,
  text: string,
  dimensions: number,
  random: () => number,
): readonly number[] {
  if (voice.voice === 'Garbage') {
    return Array.from({ length: dimensions }, () => Number.NaN)
  }
  const words = text.split(/\s+/).map((word) => hashText(word.toLowerCase()))
  const content = hashText(answerTag(voice))
  const sum = Array.from({ length: dimensions }, (_, at) =>
    words.reduce(
      (total, word) => total + direction(word, at),
      contentWeight * direction(content, at),
    ),
  )
  const length = Math.hypot(...sum)
  return sum.map((value) => value / length + noise * (random() - 0.5))
}

/** Cosine of the angle between two unit vectors. */
export function similarity(left: readonly number[], right: readonly number[]): number {
  return left.reduce((total, value, at) => total + value * (right[at] ?? 0), 0)
}

function direction(seed: number, at: number): number {
  return 2 * fraction(mix(seed, at), 0) - 1
}
