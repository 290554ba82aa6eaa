import { problem } from '../problems.ts'
import type { AdapterProblem } from '../types.ts'

export const sourceSecretType = 'loraplex.dev/source'

/** A Secret as the API gives it: `data` in base64. */
export interface SourceSecret {
  readonly type: string | undefined
  readonly data: Readonly<Record<string, string>>
}

export interface SourceCredentials {
  readonly authorization: string | undefined
  readonly ca: string | undefined
  /** Where `authorization` may be sent; undefined: to the source's own host. */
  readonly hosts: readonly string[] | undefined
}

export type ReadCredentials =
  | { readonly ok: true; readonly credentials: SourceCredentials }
  | { readonly ok: false; readonly problem: AdapterProblem }

/** What a Secret says of a source. Its values appear in no message (I14). */
export function credentialsOf(secret: SourceSecret | undefined, name: string): ReadCredentials {
  if (secret === undefined) {
    return invalid(`There is no Secret ${name}, which the source names. The fetch is tried again.`)
  }
  if (secret.type !== sourceSecretType) {
    return invalid(
      `Secret ${name} is not of type ${sourceSecretType}, and only such a one is sent to a source. Make it again with that type: kubectl create secret generic --type=${sourceSecretType}.`,
    )
  }
  const text = (key: string): string | undefined => {
    const value = secret.data[key]
    return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8').trim()
  }
  const authorization = text('authorization')
  if (authorization !== undefined && /[^\t\x20-\x7e]/.test(authorization)) {
    return invalid(`Key authorization of Secret ${name} is not one line of plain characters.`)
  }
  const hosts = text('hosts')
    ?.split(/[\s,]+/)
    .filter((host) => host !== '')
  return { ok: true, credentials: { authorization, ca: text('ca.crt'), hosts } }
}

function invalid(message: string): ReadCredentials {
  return { ok: false, problem: problem('CredentialsInvalid', message) }
}
