import { invalid, type JsonObject } from './invalid.ts'

/** The engine would read "64" as 64, where a cap has to see a number, or name another field than the one that was sent. */
export function checkWhole(body: JsonObject, field: string, least: number, most: number): void {
  const count = body[field]
  if (count === undefined || count === null) {
    return
  }
  if (typeof count !== 'number' || !Number.isInteger(count) || count < least || count > most) {
    throw invalid(`The field '${field}' must be a whole number from ${least} to ${most}.`, field)
  }
}
