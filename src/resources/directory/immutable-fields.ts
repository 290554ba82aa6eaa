import { poolKeyOf } from '../../api/lora-adapter.ts'
import { pathOfFileUri } from '../../artifacts/source-uri.ts'
import type { HeldObject } from './held-object.ts'
import type { DeclaredObject } from './declared-object.ts'

/** What a change must not touch. `undefined` where everything else may follow the file. */
export function immutableFieldProblem(
  held: HeldObject,
  next: DeclaredObject,
  folders: { readonly before: string; readonly after: string },
): string | undefined {
  const before = held.declared
  if (before.kind === 'TenantKey' && next.kind === 'TenantKey') {
    return before.spec.sha256 === next.spec.sha256
      ? undefined
      : words('spec.sha256', 'another key is another TenantKey: create one with another name')
  }
  if (before.kind === 'LoraAdapter' && next.kind === 'LoraAdapter') {
    return poolOf(before) === poolOf(next)
      ? undefined
      : words('spec.poolRefs', 'an adapter on another base is another LoraAdapter')
  }
  if (before.kind === 'ModelPool' && next.kind === 'ModelPool') {
    return isSameFile(before.spec.model.uri, folders.before, next.spec.model.uri, folders.after)
      ? undefined
      : words('spec.model.uri', 'another base is another ModelPool')
  }
  return undefined
}

function words(field: string, why: string): string {
  return `\`${field}\` cannot change (${why}). Give it another name, or take the document out, save, and put it back: what was there before stays in force until then`
}

function poolOf(adapter: DeclaredObject & { readonly kind: 'LoraAdapter' }): string {
  return poolKeyOf({
    ...adapter,
    metadata: { ...adapter.metadata, uid: '', creationTimeMs: 0, generation: 0 },
  })
}

/** `file:./x` means another folder once its YAML file has moved. */
function isSameFile(
  before: string,
  folderBefore: string,
  after: string,
  folderAfter: string,
): boolean {
  return pathOf(before, folderBefore) === pathOf(after, folderAfter)
}

function pathOf(uri: string, folder: string): string {
  const found = pathOfFileUri(uri, folder)
  return found.ok ? found.path.replace(/\/$/, '') : uri
}
