import { apiServerPrograms, findPrograms } from '../../test/support/testbed-folder.ts'
import { findHelm } from '../chart/helm.ts'
import { prepareDebianPackages } from './debian-packages.ts'
import { prepareImage } from './image.ts'
import { preparePauseImage } from './pause-image.ts'
import { preparePrograms } from './prepare-programs.ts'
import { apiServerGroups, clusterPrograms, helmGroup } from './programs.ts'

/**
 * For the integration tier: kube-apiserver and etcd, unless KUBEBUILDER_ASSETS has them, and helm where there is none.
 * Some six minutes at first.
 */
export async function prepareIntegration(): Promise<void> {
  const named = process.env['KUBEBUILDER_ASSETS'] ?? ''
  const hasApiServer = named !== '' && findPrograms(apiServerPrograms) === named
  const groups = [
    ...(hasApiServer ? [] : apiServerGroups),
    ...(findHelm() === undefined ? [helmGroup] : []),
  ]
  if (groups.length > 0) {
    await preparePrograms(groups)
  }
}

/** For the cluster tier: everything that a node runs, and our image; answers its archive. Some fifteen minutes at first. */
export async function prepareCluster(): Promise<string> {
  await prepareDebianPackages()
  await preparePrograms(clusterPrograms)
  await preparePauseImage()
  return await prepareImage()
}
