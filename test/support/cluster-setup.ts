// Runs once before the tests of the `cluster` project: a node of our own, or the cluster that LORAPLEX_TEST_KUBECONFIG names.
import process from 'node:process'
import type { TestProject } from 'vitest/node'
import { startCluster } from './cluster.ts'
import { findPrograms } from './testbed-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    readonly cluster: ProvidedCluster
  }
}

export interface ProvidedCluster {
  readonly kubeconfigPath: string
  /** The name by which pods get our image. */
  readonly image: string
  /** A node of ours, with GPUs that only claim to be there; else somebody's cluster. */
  readonly isOwnNode: boolean
}

export const ownImage = 'localhost/loraplex:test'

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const named = process.env['LORAPLEX_TEST_KUBECONFIG'] ?? ''
  if (named !== '') {
    const helm = findPrograms(['helm'])
    process.env['PATH'] = [process.env['PATH'], ...(helm === undefined ? [] : [helm])].join(':')
    const image = process.env['LORAPLEX_TEST_IMAGE'] ?? ownImage
    offer(project, { kubeconfigPath: named, image, isOwnNode: false })
    return async () => {}
  }
  const startedAt = performance.now()
  const cluster = await startCluster({
    state: process.env['LORAPLEX_TEST_STATE'] ?? '',
    images: (process.env['LORAPLEX_TEST_IMAGES'] ?? '').split(',').filter((path) => path !== ''),
    gpus: 8,
  })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`a node of our own: ready after ${seconds} s`)
  const { kubeconfigPath } = cluster
  offer(project, { kubeconfigPath, image: ownImage, isOwnNode: true })
  return () => cluster.stop()
}

/** To tests as values, to kubectl and helm through the environment that the tests' processes inherit. */
function offer(project: TestProject, cluster: ProvidedCluster): void {
  process.env['KUBECONFIG'] = cluster.kubeconfigPath
  project.provide('cluster', cluster)
}
