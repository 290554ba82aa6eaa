import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { UserError } from '../../src/errors.ts'
import { ownNamespaces } from '../../test/support/cluster.ts'
import { prepareCluster } from '../testbed/prepare.ts'
import type { Tier } from './run-tiers.ts'

/** A network, mounts and processes that end with the first process in them, whatever becomes of the rest. */
const inNamespaces = [
  'unshare',
  '--net',
  '--mount',
  '--pid',
  '--fork',
  '--mount-proc',
  '--kill-child',
] as const

/** The whole product on a node of our own, or on the cluster that LORAPLEX_TEST_KUBECONFIG names. */
export function clusterTier(): Tier {
  if ((process.env['LORAPLEX_TEST_KUBECONFIG'] ?? '') !== '') {
    return { project: 'cluster', what: 'the whole product on the cluster you named' }
  }
  return {
    project: 'cluster',
    what: 'the whole product on a Kubernetes node of its own',
    within: inNamespaces,
    prepare: async () => {
      if (process.getuid?.() !== 0) {
        throw new UserError(
          'A Kubernetes node of its own needs root. Run this as root, or name another cluster in LORAPLEX_TEST_KUBECONFIG.',
        )
      }
      const image = await prepareCluster()
      const state = await mkdtemp(join(tmpdir(), 'loraplex-cluster-'))
      return {
        env: {
          [ownNamespaces]: '1',
          LORAPLEX_TEST_STATE: state,
          LORAPLEX_TEST_IMAGES: image,
        },
        tidy: () => rm(state, { recursive: true, force: true }),
      }
    },
  }
}
