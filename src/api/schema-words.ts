import { z } from 'zod'
import { shortened } from './field-path.ts'

/** The names of the fields that an object schema has at `path`; empty where there is no object. */
export function fieldNamesAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  const found = path.reduce<z.ZodType | undefined>(
    (inner, step) => (inner === undefined ? undefined : stepInto(inner, step)),
    unwrapped(schema),
  )
  return found instanceof z.ZodObject ? Object.keys(found.shape) : []
}

function stepInto(schema: z.ZodType, step: PropertyKey): z.ZodType | undefined {
  if (schema instanceof z.ZodArray) {
    return unwrapped(schema.element as z.ZodType)
  }
  if (schema instanceof z.ZodObject && Object.hasOwn(schema.shape, step)) {
    return unwrapped(schema.shape[String(step)] as z.ZodType)
  }
  return undefined
}

function unwrapped(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault
    ? unwrapped(schema.unwrap() as z.ZodType)
    : schema
}

/**
 * What is wrong with a value and what to write instead, to be read after the field's path. The value itself is shown
 * only for numbers, booleans and closed lists: a text may be a secret in the wrong place (I14).
 */
export function wordsForIssue(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined && issue.code === 'custom') {
    return issue.message
  }
  if (value === undefined) {
    return `is missing; ${expectedWords(issue) ?? 'it is needed'}`
  }
  if (value === null) {
    return 'has no value; write one or leave the field out'
  }
  if (issue.code === 'invalid_type') {
    return typeWords(issue.expected, value)
  }
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    return rangeWords(issue, value)
  }
  if (issue.code === 'invalid_format') {
    return `is not right; write ${formatWords(issue)}`
  }
  return issue.code === 'invalid_key'
    ? 'has a name that is too long'
    : (choiceWords(issue, value) ?? issue.message)
}

function expectedWords(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    return `write ${typeNames[issue.expected] ?? issue.expected}`
  }
  const choices = choicesOf(issue)
  return choices === undefined ? undefined : `write ${choices.join(', ')}`
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list (lines that begin with "- ")',
  object: 'a map of fields',
  record: 'a map of names to texts',
}

function typeWords(expected: string, value: unknown): string {
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) {
    return `is the ${typeof value} ${String(value)} and must be a text; write it in quotes, as YAML would otherwise read it differently`
  }
  const hint = typeof value === 'string' && expected !== 'object' ? ', without quotes' : ''
  return `is ${kindOfValue(value)}; write ${typeNames[expected] ?? expected}${hint}`
}

function kindOfValue(value: unknown): string {
  if (Array.isArray(value)) {
    return 'a list'
  }
  if (typeof value === 'object') {
    return 'a map'
  }
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'a text'
}

function rangeWords(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
  value: unknown,
): string {
  const limit = String(issue.code === 'too_small' ? issue.minimum : issue.maximum)
  const bound =
    issue.exact === true ? 'exactly' : issue.code === 'too_small' ? 'at least' : 'at most'
  if (issue.origin === 'string') {
    return `has ${typeof value === 'string' ? value.length : 'too many'} characters; write ${bound} ${limit}`
  }
  return issue.origin === 'array'
    ? `has ${Array.isArray(value) ? value.length : 'another number of'} entries; write ${bound} ${limit}`
    : `is ${String(value)}; write a number of ${bound} ${limit}`
}

function formatWords(issue: z.core.$ZodIssueInvalidStringFormat): string {
  if (issue.format === 'datetime') {
    return 'a time such as 2030-01-31T12:00:00Z'
  }
  return issue.message.startsWith('Invalid')
    ? `something that matches ${issue.pattern ?? issue.format}`
    : issue.message
}

function choiceWords(issue: z.core.$ZodIssue, value: unknown): string | undefined {
  const choices = choicesOf(issue)
  if (choices === undefined) {
    return undefined
  }
  const written = typeof value === 'object' ? kindOfValue(value) : JSON.stringify(value)
  return `is ${shortened(written)}; write ${choices.length === 1 ? '' : 'one of '}${choices.join(', ')}`
}

function choicesOf(issue: z.core.$ZodIssue): readonly string[] | undefined {
  if (issue.code === 'invalid_value') {
    return issue.values.map(String)
  }
  if (issue.code === 'invalid_union') {
    const choices = issue.errors.flat().flatMap((inner) => choicesOf(inner) ?? [])
    return choices.length === 0 ? undefined : choices
  }
  return undefined
}
