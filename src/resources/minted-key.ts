import { createHash, randomBytes, randomInt } from 'node:crypto'

/** A key as it is handed over once; only `sha256` and `id` are ever stored. */
export interface MintedKey {
  /** `lpx_<id>_<43 base64url>`: 256 random bits. */
  readonly key: string
  /** 12 of a–z and 0–9; not secret, so that a key can be spoken of. */
  readonly id: string
  /** Hex, of the whole key string. */
  readonly sha256: string
}

const idLetters = 'abcdefghijklmnopqrstuvwxyz0123456789'

export function mintKey(): MintedKey {
  const id = Array.from({ length: 12 }, () => idLetters[randomInt(idLetters.length)]).join('')
  const key = `lpx_${id}_${randomBytes(32).toString('base64url')}`
  return { key, id, sha256: createHash('sha256').update(key).digest('hex') }
}
