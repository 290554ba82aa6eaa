import { createKubeClient } from '../resources/kubernetes/kube-client.ts'
import type { Transport } from '../resources/kubernetes/transport.ts'
import { openAdminAuth, type AdminAuth } from '../telemetry/admin-auth.ts'
import { createTokenAdminAuth } from '../telemetry/token-admin-auth.ts'
import { KubernetesAdminAuth } from './kubernetes-admin-auth.ts'

export type AdminAuthChoice =
  | { readonly kind: 'None' }
  | { readonly kind: 'Token'; readonly file: string }
  | { readonly kind: 'Kubernetes' }

/**
 * Who answers for the operator's port of a process of a cluster.
 *
 * @throws UserError where the token's file cannot be read, or holds too little to be a token.
 */
export async function createAdminAuth(
  choice: AdminAuthChoice,
  transport: Transport,
): Promise<AdminAuth> {
  switch (choice.kind) {
    case 'None':
      return openAdminAuth
    case 'Token':
      return await createTokenAdminAuth(choice.file)
    case 'Kubernetes':
      // Whoever asks is waiting: a second try is theirs.
      return new KubernetesAdminAuth(createKubeClient({ transport, retries: 0 }))
    default:
      return choice satisfies never
  }
}
