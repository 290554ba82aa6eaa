import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { UserError } from '../../src/errors.ts'
import { nodePrograms, ownNamespaces } from '../../test/support/cluster.ts'
import { podLogs } from '../../test/support/cluster-mounts.ts'
import { findPrograms, testbedFolder } from '../../test/support/testbed-folder.ts'
import { prepareCluster } from '../testbed/prepare.ts'
import { prepareVllmCpu } from '../vllm-cpu.ts'
import type { Prepared, Tier } from './run-tiers.ts'

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
    prepare: prepareNode,
  }
}

/** The same on a node of our own with this machine's vLLM in the pods; `short` as in `vllmTier`. */
export function clusterVllmTier(length: 'short' | 'full'): Tier {
  return {
    project: 'cluster-vllm',
    what: `a real vLLM in pods of a Kubernetes node of its own, ${length} form`,
    within: inNamespaces,
    prepare: async () => {
      await prepareVllmCpu()
      return await prepareNode()
    },
    // The pods mount folders of this machine, so no other cluster will do.
    env: { LORAPLEX_TEST_VLLM: length, LORAPLEX_TEST_KUBECONFIG: '' },
  }
}

/** Whether a node can be started here as things are: `npm run test:cluster` has prepared one, and we are root. */
export function hasNode(): boolean {
  return process.getuid?.() === 0 && findPrograms(nodePrograms) !== undefined
}

async function prepareNode(): Promise<Prepared> {
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
}

/** What the node's programs and its containers said, where a failure is looked into. */
async function keepLogs(state: string): Promise<void> {
  const kept = join(testbedFolder(), 'logs-of-last-failure')
  await rm(kept, { recursive: true, force: true })
  await cp(join(state, 'logs'), join(kept, 'node'), { recursive: true })
  await cp(podLogs(state), join(kept, 'pods'), { recursive: true })
  console.log(`logs of the node and of its containers: ${kept}`)
}
