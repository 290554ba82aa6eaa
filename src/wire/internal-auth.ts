import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * What the processes show each other is derived from the installation's one secret, so that a GPU pod, which is given
 * only what is its pool's, learns nothing about another pool's, and gateways need no right to read Secrets.
 */
function derive(secret: Buffer, ...parts: readonly string[]): string {
  return createHmac('sha256', secret).update(parts.join('\0')).digest('base64url')
}

/** Controller and gateways → agents of a pool. */
export function agentToken(secret: Buffer, poolKey: string): string {
  return derive(secret, 'agent', poolKey)
}

/** Agents of a pool → depot. */
export function depotToken(secret: Buffer, poolKey: string): string {
  return derive(secret, 'depot', poolKey)
}

/** Depot → the pod that reads a claim of a pool. */
export function readerToken(secret: Buffer, poolKey: string, claim: string): string {
  return derive(secret, 'reader', poolKey, claim)
}

/** Gateways and agents → vLLM: one key for each revision of a pool. */
export function engineKey(secret: Buffer, poolKey: string, poolRevision: string): string {
  return derive(secret, 'engine', poolKey, poolRevision)
}

/** Controller → gateways and depot. */
export function controllerToken(secret: Buffer): string {
  return derive(secret, 'controller')
}

/** Key of the tenants' `cache_salt`. */
export function saltSecret(secret: Buffer): Buffer {
  return Buffer.from(derive(secret, 'cache-salt'), 'base64url')
}

/** Six hex digits that everybody may see: whose tokens a pod was given. */
export function secretFingerprint(secret: Buffer): string {
  return Buffer.from(derive(secret, 'fingerprint'), 'base64url').toString('hex', 0, 3)
}

/** Whether an `Authorization` header carries this token; takes the same time whatever is wrong. */
export function showsToken(header: string | undefined, token: string): boolean {
  const shown = Buffer.from(header ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return shown.length === wanted.length && timingSafeEqual(shown, wanted)
}
