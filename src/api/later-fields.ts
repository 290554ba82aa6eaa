import type { Kind } from './kinds.ts'

/**
 * Spec fields that a later version has. An object with one of them is refused as a whole, so that nobody is served
 * without the limits somebody wrote. List indices are left out of the paths.
 */
export const laterFields: Readonly<Record<Kind, readonly string[]>> = {
  ModelPool: ['model.chatTemplateRef', 'model.chatTemplateKwargs', 'allowedNamespaces.onRevoke'],
  LoraAdapter: [],
  ModelTenant: [],
  TenantKey: ['perUser'],
}
