import { gatewayPorts } from '../api/cluster-names.ts'
import type { AdminAuthChoice } from '../cluster/create-admin-auth.ts'
import { UserError } from '../errors.ts'
import { portOption } from './process-options.ts'

/** Of every command that opens an operator's port in a cluster. */
export const adminOptions = {
  'admin-port': { ...portOption, summary: 'Operator port', default: gatewayPorts.admin },
  'admin-auth': {
    type: 'string',
    summary:
      'Who may read /metrics and /debug/state: the cluster says, whoever has a token, or everybody',
    choices: ['Kubernetes', 'Token', 'None'],
    default: 'Kubernetes',
  },
  'admin-token-file': {
    type: 'string',
    summary: 'File with the token, for --admin-auth Token',
    placeholder: 'file',
  },
} as const

/** @throws UserError where the two flags do not belong together. */
export function adminAuthOf(options: {
  readonly 'admin-auth': AdminAuthChoice['kind']
  readonly 'admin-token-file': string | undefined
}): AdminAuthChoice {
  const { 'admin-auth': kind, 'admin-token-file': file } = options
  if (kind !== 'Token') {
    if (file !== undefined) {
      // Whoever names a token means it to be asked for.
      throw new UserError('--admin-token-file needs --admin-auth Token.', 2)
    }
    return { kind }
  }
  if (file === undefined) {
    throw new UserError('--admin-auth Token needs --admin-token-file FILE.', 2)
  }
  return { kind, file }
}
