import { stringify } from 'yaml'
import { kinds, type Kind } from '../api/kinds.ts'
import { crdOf } from './crd-of.ts'

/** The CRD as a file has it; rules and words are not folded, so that a change is one line. */
export function crdYaml(kind: Kind): string {
  return stringify(crdOf(kind), { lineWidth: 0, aliasDuplicateObjects: false })
}

export const crdKinds = Object.keys(kinds) as readonly Kind[]
