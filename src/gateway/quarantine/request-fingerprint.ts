import { createHmac } from 'node:crypto'
import type { InferenceRequest } from '../request/inference-request.ts'

/** What makes two requests the same one to an engine; of their content nothing can be read from it (I14). */
export function requestFingerprint(
  secret: Buffer,
  tenant: string,
  model: string,
  request: InferenceRequest,
): string {
  const hmac = createHmac('sha256', secret).update(
    JSON.stringify(['quarantine', tenant, model, request.endpoint.path]),
  )
  request.eachKept((bytes) => hmac.update(bytes))
  return hmac.digest('base64url')
}
