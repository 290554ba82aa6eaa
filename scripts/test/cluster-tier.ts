import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { UserError } from '../../src/errors.ts'
import { ownNamespaces } from '../../test/support/cluster.ts'
import { podLogs } from '../../test/support/cluster-mounts.ts'
import { testbedFolder } from '../../test/support/testbed-folder.ts'
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
      const scratch = join(state, 'tmp')
      await mkdir(scratch)
      return {
        env: {
          [ownNamespaces]: '1',
          LORAPLEX_TEST_STATE: state,
          TMPDIR: scratch,
          LORAPLEX_TEST_IMAGES: image,
        },
        tidy: async (counts) => {
          if (counts?.failed !== 0) {
            await keepLogs(state)
          }
          await rm(state, { recursive: true, force: true })
        },
      }
    },
  }
}

/** What the node's programs and its containers said, where a failure is looked into. */
async function keepLogs(state: string): Promise<void> {
  const kept = join(testbedFolder(), 'logs-of-last-failure')
  await rm(kept, { recursive: true, force: true })
  await cp(join(state, 'logs'), join(kept, 'node'), { recursive: true })
  await cp(podLogs(state), join(kept, 'pods'), { recursive: true })
  console.log(`logs of the node and of its containers: ${kept}`)
}
