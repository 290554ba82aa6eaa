/** What became of the question whether somebody may look at the operator's port. */
export type AdminVerdict =
  | 'Allowed'
  /** Nothing that says who it is. */
  | 'Unknown'
  | 'Forbidden'
  /** Nobody could be asked. */
  | 'Unavailable'

/** Who may read `/metrics` and `/debug/state`. A tenant's key never opens them. */
export interface AdminAuth {
  check(authorization: string | undefined, path: string): Promise<AdminVerdict>
}

export const openAdminAuth: AdminAuth = { check: () => Promise.resolve('Allowed') }
