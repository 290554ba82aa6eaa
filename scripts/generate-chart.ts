import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crdTemplate } from './chart/crd-template.ts'
import { dashboardFile } from './chart/dashboard.ts'
import { installManifest } from './chart/install-manifest.ts'
import { chartReadme, valuesFile, valuesSchemaFile } from './chart/value-files.ts'

const crds = 'manifests/crds'
const chart = 'charts/loraplex'

/**
 * The chart's generated files, after the CRDs that it takes over. The rendered manifest comes last: it is made from the
 * others as they lie on disk.
 */
export const chartFiles: readonly (readonly [path: string, generate: () => string])[] = [
  [`${chart}/values.yaml`, valuesFile],
  [`${chart}/values.schema.json`, valuesSchemaFile],
  [`${chart}/README.md`, () => chartReadme(readFileSync(`${chart}/Chart.yaml`, 'utf8'))],
  [`${chart}/dashboards/loraplex.json`, dashboardFile],
  ...crdNames().map(
    (name) =>
      [
        `${chart}/templates/crd-${name}`,
        () => crdTemplate(readFileSync(join(crds, name), 'utf8')),
      ] as const,
  ),
  ['manifests/install.yaml', installManifest],
]

function crdNames(): readonly string[] {
  return readdirSync(crds)
    .filter((name) => name.endsWith('.yaml'))
    .toSorted()
}
