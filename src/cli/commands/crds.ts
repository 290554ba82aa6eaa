import { crdKinds, crdYaml } from '../../crds/crd-yaml.ts'
import { defineCommand } from '../command.ts'

export const crds = defineCommand({
  name: 'crds',
  summary: 'Print the CRDs of this version',
  details: 'Example: loraplex crds | kubectl apply -f -',
  args: [],
  options: {},
  run: async ({ io }) => {
    io.out(crdKinds.map((kind) => crdYaml(kind)).join('---\n'))
    return 0
  },
})
