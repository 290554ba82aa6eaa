import type { Kind } from '../api/kinds.ts'
import { laterFields } from '../api/later-fields.ts'
import { changedAt, schemaAt } from './at-path.ts'
import type { StructuralSchema } from './structural-schema.ts'

const open: StructuralSchema = {
  type: 'object',
  'x-kubernetes-preserve-unknown-fields': true,
}
const list: StructuralSchema = {
  type: 'array',
  items: open,
  maxItems: 64,
  'x-kubernetes-list-type': 'atomic',
}

/** What a later field will be, by path or by name, where it is no map. */
const schemaOf: Readonly<Record<string, StructuralSchema>> = {
  'model.chatTemplateKwargs': list,
  'allowedNamespaces.onRevoke': { type: 'string', maxLength: 64 },
}

/**
 * Adds the fields of a later version, each with a rule that refuses it: without them the API server would drop a limit
 * that somebody wrote and serve without it.
 */
export function withLaterFields(kind: Kind, root: StructuralSchema): StructuralSchema {
  return laterFields[kind].reduce((schema, path) => withLaterField(schema, path), root)
}

function withLaterField(root: StructuralSchema, path: string): StructuralSchema {
  const steps = path.split('.')
  const name = steps.pop() ?? ''
  const parent = steps.reduce((place, step) => entriesOf(root, `${place}.${step}`), 'spec')
  return changedAt(root, parent, (found) => ({
    ...found,
    properties: {
      ...found.properties,
      [name]: {
        ...(schemaOf[path] ?? schemaOf[name] ?? open),
        description: 'Of a later version; refused by this one.',
      },
    },
    'x-kubernetes-validations': [
      ...(found['x-kubernetes-validations'] ?? []),
      {
        rule: `!has(self.${name})`,
        message: `${name} is not supported by this version, so the object is refused: nothing is served without what you wrote`,
        fieldPath: `.${name}`,
      },
    ],
  }))
}

/** Of a list, the path of its entries. */
function entriesOf(root: StructuralSchema, path: string): string {
  return schemaAt(root, path)?.type === 'array' ? `${path}[]` : path
}
