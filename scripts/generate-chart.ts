import { readFileSync } from 'node:fs'
import { kinds } from '../src/api/kinds.ts'
import { crdKinds, crdYaml } from '../src/crds/crd-yaml.ts'
import { alertRulesFile } from './chart/alert-rules.ts'
import { crdTemplate } from './chart/crd-template.ts'
import { dashboardFile } from './chart/dashboard.ts'
import { installManifest } from './chart/install-manifest.ts'
import { chartReadme, valuesFile, valuesSchemaFile } from './chart/value-files.ts'

const chart = 'charts/loraplex'

/** The chart's generated files. The rendered manifest comes last: it is made from the others as they lie on disk. */
export const chartFiles: readonly (readonly [path: string, generate: () => string])[] = [
  [`${chart}/values.yaml`, valuesFile],
  [`${chart}/values.schema.json`, valuesSchemaFile],
  [`${chart}/README.md`, () => chartReadme(readFileSync(`${chart}/Chart.yaml`, 'utf8'))],
  [`${chart}/dashboards/loraplex.json`, dashboardFile],
  [`${chart}/alerts/loraplex.yaml`, alertRulesFile],
  ...crdKinds.map(
    (kind) =>
      [
        `${chart}/templates/crd-${kinds[kind].plural}.yaml`,
        () => crdTemplate(crdYaml(kind)),
      ] as const,
  ),
  ['manifests/install.yaml', installManifest],
]
