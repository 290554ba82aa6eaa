import { parseSize } from '../core/parse-size.ts'
import { UserError } from '../errors.ts'

/** Bytes of a quantity as Kubernetes writes sizes: `50Gi`. @throws UserError. */
export function sizeOf(text: string, flag: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined || bytes === 0) {
    throw new UserError(`${flag} is ${JSON.stringify(text)}, which is no size. Write it as 50Gi.`)
  }
  return bytes
}
