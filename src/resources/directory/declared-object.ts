import type { DeclaredMeta, DeclaredResource } from '../../api/validate.ts'

export interface DeclaredSecret {
  readonly kind: 'Secret'
  readonly metadata: DeclaredMeta
  /** Bytes as text. I14: in no message, log or status. */
  readonly data: Readonly<Record<string, string>>
}

export interface DeclaredNamespace {
  readonly kind: 'Namespace'
  readonly metadata: DeclaredMeta
}

/** Whatever a folder may declare, as somebody wrote it. */
export type DeclaredObject = DeclaredResource | DeclaredSecret | DeclaredNamespace
