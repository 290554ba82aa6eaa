import { randomBytes } from 'node:crypto'

/** A name of this attempt's own: what the one before made may still be there. No number, which `keys rotate` counts on. */
export function anew(name: string): string {
  return `${name}-x${randomBytes(3).toString('hex')}`
}
