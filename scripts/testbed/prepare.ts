import { apiServerPrograms, findPrograms } from '../../test/support/testbed-folder.ts'
import { prepareDebianPackages } from './debian-packages.ts'
import { prepareImage } from './image.ts'
import { preparePauseImage } from './pause-image.ts'
import { preparePrograms } from './prepare-programs.ts'
import { clusterPrograms, integrationPrograms } from './programs.ts'

/** For the integration tier: kube-apiserver and etcd, unless KUBEBUILDER_ASSETS has them. Some five minutes at first. */
export async function prepareIntegration(): Promise<void> {
  const named = process.env['KUBEBUILDER_ASSETS'] ?? ''
  if (named === '' || findPrograms(apiServerPrograms) !== named) {
    await preparePrograms(integrationPrograms)
  }
}

/** For the cluster tier: everything that a node runs, and our image; answers its archive. Some fifteen minutes at first. */
export async function prepareCluster(): Promise<string> {
  await prepareDebianPackages()
  await preparePrograms(clusterPrograms)
  await preparePauseImage()
  return await prepareImage()
}
