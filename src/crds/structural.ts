import { z } from 'zod'
import { coreTypeKey } from '../api/core-types.ts'
import { isMap } from '../api/validate.ts'
import coreTypes from './core-types.json' with { type: 'json' }
import type { StructuralSchema, ValidationRule } from './structural-schema.ts'

/** What zod writes and a CRD may not have. */
interface ZodJsonSchema extends Omit<
  StructuralSchema,
  'properties' | 'items' | 'anyOf' | 'additionalProperties'
> {
  readonly const?: string | number
  readonly properties?: Readonly<Record<string, ZodJsonSchema>>
  readonly items?: ZodJsonSchema
  readonly anyOf?: readonly ZodJsonSchema[]
  readonly additionalProperties?: boolean | ZodJsonSchema
  readonly [coreTypeKey]?: keyof typeof coreTypes
}

/** A zod schema as the API server reads it. What zod's refinements say is not in it: see `spec-rules.ts`. */
export function structuralOf(schema: z.ZodType): StructuralSchema {
  const written = z.toJSONSchema(schema, {
    // What somebody writes, before defaults; the API server fills those in.
    io: 'input',
    target: 'openapi-3.0',
    reused: 'inline',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const rules = patternRules(zodSchema)
      if (rules.length > 0) {
        delete jsonSchema.pattern
        delete jsonSchema.format
        jsonSchema['x-kubernetes-validations'] = rules
      }
    },
  })
  return withWholeDefaults(tidy(written as ZodJsonSchema))
}

/** The API server holds a default against the rules before it fills in the defaults of the fields inside. */
function withWholeDefaults(schema: StructuralSchema): StructuralSchema {
  const { properties, items } = schema
  const inner: StructuralSchema = {
    ...schema,
    ...(items === undefined ? {} : { items: withWholeDefaults(items) }),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties).map(([name, one]) => [name, withWholeDefaults(one)]),
          ),
        }),
  }
  return isMap(schema.default) ? { ...inner, default: filledIn(inner, schema.default) } : inner
}

function filledIn(schema: StructuralSchema, value: Readonly<Record<string, unknown>>): object {
  const presets = Object.entries(schema.properties ?? {})
    .filter(([, one]) => one.default !== undefined)
    .map(([name, one]) => [name, one.default])
  return { ...Object.fromEntries(presets), ...value }
}

/** A pattern as a rule with words: the API server's own message would be the pattern and the value, which may be a secret (I14). */
function patternRules(schema: z.core.$ZodTypes): readonly ValidationRule[] {
  const checks: readonly object[] = [
    schema._zod.def,
    ...(schema._zod.def.checks ?? []).map((check) => check._zod.def),
  ]
  return checks.filter(isPattern).map((check) => ({
    rule: `self.matches(${celString(check.pattern.source)})`,
    message: `write ${wordsOf(check)}`,
  }))
}

interface PatternCheck {
  readonly format: string
  readonly pattern: RegExp
  readonly error?: (issue: object) => unknown
}

function isPattern(check: object): check is PatternCheck {
  return 'pattern' in check && check.pattern instanceof RegExp
}

function wordsOf(check: PatternCheck): string {
  const words = check.error?.({})
  return check.format === 'datetime'
    ? 'a time such as 2030-01-31T12:00:00Z'
    : typeof words === 'string'
      ? words
      : `something that matches ${check.pattern.source}`
}

/** A string literal of CEL. JavaScript writes `/` as `\/`, which RE2 does not know. */
export function celString(text: string): string {
  return `'${text.replaceAll('\\/', '/').replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

function tidy(schema: ZodJsonSchema): StructuralSchema {
  const {
    [coreTypeKey]: coreType,
    const: _only,
    anyOf,
    properties,
    items,
    additionalProperties,
    ...plain
  } = schema
  if (coreType !== undefined) {
    return { ...(coreTypes[coreType] as StructuralSchema), ...plain }
  }
  const choices = anyOf?.flatMap(choicesOf)
  return {
    ...plain,
    ...(choices === undefined ? {} : { type: typeOfChoice(choices), enum: choices }),
    ...(properties === undefined ? {} : { properties: mapped(properties) }),
    ...(items === undefined ? {} : { items: tidy(items) }),
    // `false` beside properties is not structural; the API server prunes what it does not know, kubectl refuses it.
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: tidy(additionalProperties) }
      : {}),
  }
}

function mapped(
  properties: Readonly<Record<string, ZodJsonSchema>>,
): Readonly<Record<string, StructuralSchema>> {
  return Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, tidy(one)]))
}

/** A union of literals is a list of choices; the linter refuses any other union. */
function choicesOf(schema: ZodJsonSchema): readonly (string | number)[] {
  return schema.const === undefined ? (schema.enum ?? []) : [schema.const]
}

function typeOfChoice(choices: readonly (string | number)[]): 'integer' | 'string' {
  return choices.every((choice) => Number.isInteger(choice)) ? 'integer' : 'string'
}
