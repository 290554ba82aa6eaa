import type { StructuralSchema, ValidationRule } from './structural-schema.ts'

/**
 * Moves the rules of texts to the object that holds them. A refusal repeats the value that its rule is about, and a text
 * may be a secret in the wrong place (I14); of an object the API server says only that it is one.
 */
export function withQuietTexts(schema: StructuralSchema): StructuralSchema {
  const { properties, items } = schema
  const inner: StructuralSchema = {
    ...schema,
    ...(items === undefined ? {} : { items: withQuietTexts(items) }),
  }
  if (properties === undefined) {
    return inner
  }
  const rules = Object.entries(properties).flatMap(([name, one]) =>
    one.type === 'string' ? movedRules(schema, name, one) : [],
  )
  const all = [...(schema['x-kubernetes-validations'] ?? []), ...rules]
  return {
    ...inner,
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, one]) => [name, withoutRules(one)]),
    ),
    ...(all.length === 0 ? {} : { 'x-kubernetes-validations': all }),
  }
}

function withoutRules(schema: StructuralSchema): StructuralSchema {
  if (schema.type !== 'string') {
    return withQuietTexts(schema)
  }
  const { 'x-kubernetes-validations': _moved, ...rest } = schema
  return rest
}

/** Words of CEL that are also names of our fields; the API server takes them between underscores. */
const celWords = new Set(['namespace', 'package', 'import', 'function', 'return', 'const', 'in'])

function movedRules(
  parent: StructuralSchema,
  name: string,
  text: StructuralSchema,
): readonly ValidationRule[] {
  const field = celWords.has(name) ? `__${name}__` : name
  const isAlwaysThere = text.default !== undefined || (parent.required ?? []).includes(name)
  return (text['x-kubernetes-validations'] ?? []).map((rule) => ({
    ...rule,
    rule: `${isAlwaysThere ? '' : guard(field, rule.rule)}${about(field, rule.rule)}`,
    fieldPath: `.${name}`,
  }))
}

/** Quoted texts of a rule are not its variables. */
const variable = /'(?:[^'\\]|\\.)*'|\b(?:self|oldSelf)\b/g

function about(name: string, rule: string): string {
  const moved = rule.replaceAll(variable, (found) =>
    found.startsWith("'") ? found : `${found}.${name}`,
  )
  return moved.includes(' ? ') ? `(${moved})` : moved
}

function guard(name: string, rule: string): string {
  return `!has(self.${name}) || ${rule.includes('oldSelf') ? `!has(oldSelf.${name}) || ` : ''}`
}
