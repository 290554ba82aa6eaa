import { LoraplexError } from '../../errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** A 400 that names the field. */
export function invalid(message: string, param: string): LoraplexError {
  return new LoraplexError('invalid_request', message, { param })
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
