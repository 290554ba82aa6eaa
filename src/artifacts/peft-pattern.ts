/**
 * Keys of `rank_pattern` and `alpha_pattern` are regular expressions that the engine itself runs over module names, so
 * a hostile one could hang it for everybody. Accepted are literal characters, `.`, `\.`, `\d`, `\w`, anchors, one
 * group without a repetition, and two repetitions of single characters; what is still slow then runs into the
 * preflight's time limit and is not loaded. Within this grammar JavaScript and Python agree.
 */
const token = /(?:[A-Za-z0-9_-]|\\[.dw]|\.)([*+])?|(\(\?:|\()|(\|)|[)^$]/y
const maxPatternLength = 512
const maxRepetitions = 2
const maxGroups = 1
const maxAlternatives = 8

/** Patterns with anything but literal characters and dots; PEFT writes none, people a few. */
export const maxComplexPatterns = 16

/** Undefined where the pattern is outside of the grammar above. */
export function compilePeftPattern(key: string): RegExp | undefined {
  if (key.length === 0 || key.length > maxPatternLength || !isTame(key)) {
    return undefined
  }
  try {
    // PEFT's get_pattern_key: the key matches a suffix that begins at a dot.
    return new RegExp(`^(?:.*\\.)?(?:${key})$`)
  } catch {
    return undefined
  }
}

/** A name written in full. */
export function isPlainPattern(key: string): boolean {
  return /^[A-Za-z0-9_.-]+$/.test(key)
}

function isTame(key: string): boolean {
  let repetitions = 0
  let groups = 0
  let alternatives = 0
  token.lastIndex = 0
  while (token.lastIndex < key.length) {
    const match = token.exec(key)
    if (match === null) {
      return false
    }
    repetitions += match[1] === undefined ? 0 : 1
    groups += match[2] === undefined ? 0 : 1
    alternatives += match[3] === undefined ? 0 : 1
  }
  return repetitions <= maxRepetitions && groups <= maxGroups && alternatives <= maxAlternatives
}

/** The first matching entry's value, as PEFT and vLLM take it. */
export class PeftPattern {
  readonly #entries: readonly { readonly pattern: RegExp; readonly value: number }[]
  readonly #known = new Map<string, number | undefined>()

  /** Entries outside of the grammar are left out; the config check refuses them. */
  constructor(entries: Readonly<Record<string, number>>) {
    this.#entries = Object.entries(entries).flatMap(([key, value]) => {
      const pattern = compilePeftPattern(key)
      return pattern === undefined ? [] : [{ pattern, value }]
    })
  }

  valueFor(moduleName: string): number | undefined {
    if (!this.#known.has(moduleName)) {
      const entry = this.#entries.find(({ pattern }) => pattern.test(moduleName))
      this.#known.set(moduleName, entry?.value)
    }
    return this.#known.get(moduleName)
  }
}
