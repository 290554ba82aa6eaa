// The chart as Helm renders it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { findHelm, runHelm, type HelmResult } from '../../scripts/chart/helm.ts'

export const chartFolder = 'charts/loraplex'

/** A Helm that was built without a release's flags takes the cluster for an old one. */
const kubeVersion = '1.36.0'

/** As Helm and kubectl read it. */
const yaml = { version: '1.1' } as const

/** What tests read of an object; the rest is there too. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  // Whoever asks knows the kind; tests read deep into it.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly [field: string]: any
}

export function helm(...args: readonly string[]): HelmResult {
  const program = findHelm()
  if (program === undefined) {
    throw new Error('no helm here; `npm run test:integration` prepares it')
  }
  return runHelm(program, args)
}

/** Objects of a release with these values, hooks included. */
export function renderChart(
  values: object = {},
  namespace = 'loraplex-system',
): readonly KubeObject[] {
  const { ok, out, err } = templateChart(values, namespace)
  if (!ok) {
    throw new Error(err)
  }
  return objectsOf(out)
}

export function templateChart(values: object = {}, namespace = 'loraplex-system'): HelmResult {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-chart-'))
  try {
    const file = join(folder, 'values.yaml')
    writeFileSync(file, stringify(values, yaml))
    return helm(
      'template',
      'loraplex',
      chartFolder,
      `--namespace=${namespace}`,
      `--values=${file}`,
      `--kube-version=${kubeVersion}`,
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

export function objectsOf(text: string): readonly KubeObject[] {
  return parseAllDocuments(text, yaml)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null)
}
