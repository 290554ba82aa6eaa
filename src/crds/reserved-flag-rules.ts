import { reservedEngineFlags, shortForms } from '../api/reserved-engine-flags.ts'
import { celString } from './structural.ts'
import type { ValidationRule } from './structural-schema.ts'

/**
 * Rules for `engine.args`: `findReservedFlags` in CEL, one rule for each thing to do instead. They are about the list, not
 * its entries: a refusal repeats the entry, and its value may be a secret (I14).
 */
export function reservedFlagRules(): readonly ValidationRule[] {
  const flagsByWords = Map.groupBy(
    Object.keys(reservedEngineFlags),
    (flag) => reservedEngineFlags[flag] ?? '',
  )
  return [...flagsByWords].map(([instead, flags]) => {
    const pattern = celString(patternOf(flags))
    const flag = `self.filter(arg, arg.matches(${pattern}))[0].find(${celString(flagName)})`
    return {
      rule: `!self.exists(arg, arg.matches(${pattern}))`,
      message: `not yours to set: ${instead}`,
      messageExpression: `'holds ' + ${flag} + ', which is not yours to set: ' + ${celString(instead)}`,
    }
  })
}

/** A flag without its value; of a short one the first letter, as the value may follow it at once. */
const flagName = '^(--[^=.\\s]*|-[a-z])'

function patternOf(flags: readonly string[]): string {
  const long = `--(no[-_])?(${flags.map(longPattern).join('|')})([=.\\s]|$)`
  const short = Object.entries(shortForms)
    .filter(([, flag]) => flags.includes(flag))
    .map(([form]) => shortPattern(form))
  return `^(${[long, ...short.map((form) => `-(${form})`)].join('|')})`
}

/** The flag and its beginnings of two letters and more, as argparse takes them; all of a family that ends in `-`. */
function longPattern(flag: string): string {
  const steps = Array.from(flag, (letter) => (letter === '-' ? '[-_]' : letter))
  const rest = flag.endsWith('-') ? '([^=.\\s]*)?' : ''
  return steps.slice(0, 2).join('') + nested(steps.slice(2), rest)
}

function nested(steps: readonly string[], end: string): string {
  return steps.reduceRight((inner, step) => `(${step}${inner})?`, end)
}

/** `-tp`, `-tp2`, and its beginning `-t` where no further letter makes it another flag. */
function shortPattern(form: string): string {
  const beginnings = Array.from({ length: form.length - 1 }, (_none, index) =>
    form.slice(0, index + 1),
  )
  return [form, ...beginnings.map((beginning) => `${beginning}([^a-z]|$)`)].join('|')
}
