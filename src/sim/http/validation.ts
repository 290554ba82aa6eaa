import { Refusal } from './wire.ts'

export type Json = Readonly<Record<string, unknown>>

interface Violation {
  readonly type: string
  readonly field: string
  readonly message: string
  readonly input: string
  readonly context?: string
}

/** What a field has to be. `?` after it in pydantic: null is as good as absent. */
export type FieldType = 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object' | 'any'

export interface FieldRule {
  readonly type: FieldType
  readonly required?: boolean
  readonly notNull?: boolean
}

export function parseBody(text: string): Json {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
      return body as Json
    }
  } catch (error) {
    const at = /position (\d+)/.exec(String(error))?.[1] ?? String(text.length)
    throw violations([
      {
        type: 'json_invalid',
        field: at,
        message: 'JSON decode error',
        input: '<dict of 0 items>',
        context: 'Expecting value',
      },
    ])
  }
  throw violations([
    {
      type: 'model_attributes_type',
      field: '',
      message: 'Input should be a valid dictionary or object to extract fields from',
      input: text.slice(0, 200),
    },
  ])
}

/** Throws what FastAPI answers for every field that is missing or of the wrong type. */
export function checkFields(body: Json, rules: Readonly<Record<string, FieldRule>>): void {
  const found: Violation[] = []
  for (const [field, rule] of Object.entries(rules)) {
    const violation = check(body, field, rule)
    if (violation !== undefined) {
      found.push(violation)
    }
  }
  if (found.length > 0) {
    throw violations(found)
  }
}

/** What FastAPI answers where none of several request types fits: what each misses, one after another. */
export function missingFields(body: Json, fields: readonly string[]): Refusal {
  const input = `<dict of ${Object.keys(body).length} items>`
  return violations(
    fields.map((field) => ({ type: 'missing', field, message: 'Field required', input })),
  )
}

function check(body: Json, field: string, rule: FieldRule): Violation | undefined {
  const value = body[field]
  if (value === undefined) {
    const input = `<dict of ${Object.keys(body).length} items>`
    return rule.required === true
      ? { type: 'missing', field, message: 'Field required', input }
      : undefined
  }
  const isNullOk = rule.required !== true && rule.notNull !== true
  if (value === null && isNullOk) {
    return undefined
  }
  const problem = typeProblem(rule.type, value)
  return problem === undefined ? undefined : { ...problem, field, input: summary(value) }
}

function typeProblem(
  type: FieldType,
  value: unknown,
): Pick<Violation, 'type' | 'message'> | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string'
        ? undefined
        : { type: 'string_type', message: 'Input should be a valid string' }
    case 'integer':
      return integerProblem(value)
    case 'number':
      return numberProblem(value)
    case 'boolean':
      return typeof value === 'boolean'
        ? undefined
        : { type: 'bool_type', message: 'Input should be a valid boolean' }
    case 'array':
      return Array.isArray(value)
        ? undefined
        : { type: 'list_type', message: 'Input should be a valid list' }
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value)
        ? undefined
        : { type: 'dict_type', message: 'Input should be a valid dictionary' }
    case 'any':
      return undefined
    default:
      return type satisfies never
  }
}

function integerProblem(value: unknown): Pick<Violation, 'type' | 'message'> | undefined {
  if (typeof value === 'number') {
    return Number.isInteger(value)
      ? undefined
      : {
          type: 'int_from_float',
          message: 'Input should be a valid integer, got a number with a fractional part',
        }
  }
  return typeof value === 'string'
    ? {
        type: 'int_parsing',
        message: 'Input should be a valid integer, unable to parse string as an integer',
      }
    : { type: 'int_type', message: 'Input should be a valid integer' }
}

function numberProblem(value: unknown): Pick<Violation, 'type' | 'message'> | undefined {
  if (typeof value === 'number') {
    return undefined
  }
  return typeof value === 'string'
    ? {
        type: 'float_parsing',
        message: 'Input should be a valid number, unable to parse string as a number',
      }
    : { type: 'float_type', message: 'Input should be a valid number' }
}

function summary(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > 200 ? `${value.slice(0, 200)}...[truncated]` : value
  }
  if (Array.isArray(value)) {
    return `<list of ${value.length} items>`
  }
  if (typeof value === 'object' && value !== null) {
    return `<dict of ${Object.keys(value).length} items>`
  }
  return pythonScalars.get(value) ?? JSON.stringify(value)
}

const pythonScalars = new Map<unknown, string>([
  [null, 'None'],
  [true, 'True'],
  [false, 'False'],
])

function violations(found: readonly Violation[]): Refusal {
  const label = found.length === 1 ? '1 validation error' : `${found.length} validation errors`
  const lines = found.slice(0, 10).map((one) => `\n  ${pythonDict(one)}`)
  const more = found.length > 10 ? `\n  ...and ${found.length - 10} more errors` : ''
  return new Refusal({
    status: 400,
    type: 'Bad Request',
    message: `${label}:${lines.join('')}${more}`,
    param: location(found[0]?.field ?? ''),
  })
}

function location(field: string): string {
  return field === '' ? 'body' : `body.${field}`
}

function pythonDict({ type, field, message, input, context }: Violation): string {
  const shown = input.includes("'") && !input.includes('"') ? `"${input}"` : `'${input}'`
  const tail = context === undefined ? '' : `, 'ctx': {'error': '${context}'}`
  return `{'type': '${type}', 'loc': '${location(field)}', 'msg': '${message}', 'input': ${shown}${tail}}`
}

export function wrongMediaType(): Refusal {
  return new Refusal({
    status: 400,
    type: 'Bad Request',
    message: "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
    param: null,
  })
}
