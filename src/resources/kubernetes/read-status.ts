import { isMap } from '../../api/validate.ts'
import { KubeApiError, type KubeErrorCause, type KubeErrorReason } from './kube-api-error.ts'

const byWord: Readonly<Record<string, KubeErrorReason>> = {
  BadRequest: 'BadRequest',
  Unauthorized: 'Unauthorized',
  Forbidden: 'Forbidden',
  NotFound: 'NotFound',
  AlreadyExists: 'AlreadyExists',
  Conflict: 'Conflict',
  Gone: 'Gone',
  Expired: 'Gone',
  RequestEntityTooLarge: 'TooLarge',
  Invalid: 'Invalid',
  TooManyRequests: 'TooManyRequests',
  InternalError: 'Internal',
  ServiceUnavailable: 'Unavailable',
  Timeout: 'Timeout',
  ServerTimeout: 'Timeout',
}

const byStatus: Readonly<Record<number, KubeErrorReason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Gone',
  413: 'TooLarge',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'Internal',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Timeout',
}

const maxMessageChars = 1024

/** A `Status` object, from an answer's body or a watch's ERROR event; a body that is none still has a status code. */
export function errorOfStatus(
  what: string,
  httpStatus: number,
  body: unknown,
  retryAfter?: string,
): KubeApiError {
  const status = isMap(body) ? body : {}
  const details = isMap(status['details']) ? status['details'] : {}
  const word = typeof status['reason'] === 'string' ? status['reason'] : ''
  const code = typeof status['code'] === 'number' ? status['code'] : httpStatus
  const message = typeof status['message'] === 'string' ? status['message'] : `status ${code}`
  const seconds = Number(retryAfter ?? details['retryAfterSeconds'])
  return new KubeApiError({
    reason: byWord[word] ?? byStatus[code] ?? 'Other',
    status: code,
    message: `${what}: ${message}`.slice(0, maxMessageChars),
    causes: causesOf(details['causes']),
    ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}),
  })
}

function causesOf(raw: unknown): readonly KubeErrorCause[] {
  return Array.isArray(raw)
    ? raw.filter(isMap).map((cause) => ({
        reason: textOf(cause['reason']),
        message: textOf(cause['message']).slice(0, maxMessageChars),
        field: textOf(cause['field']),
      }))
    : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
