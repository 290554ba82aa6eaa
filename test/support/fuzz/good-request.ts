import { inferenceEndpoints } from '../../../src/gateway/endpoints/inference-endpoints.ts'
import { secretOf } from '../builders.ts'
import { goodBody } from './body-cases.ts'

export const key = secretOf('acme')
export const paths = inferenceEndpoints.map(({ path }) => path)
export const host = 'host: gateway\r\n'
export const auth = `authorization: Bearer ${key}\r\n`
export const json = 'content-type: application/json\r\n'

export function goodRequest(
  path = paths[0] ?? '/v1/chat/completions',
  body = goodBody(path),
): string {
  return `POST ${path} HTTP/1.1\r\n${host}${auth}${json}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}
