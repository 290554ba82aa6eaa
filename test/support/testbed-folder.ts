import { accessSync, constants } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { vllmCpuFolder } from '../../src/engine/find-vllm.ts'

/** Where `scripts/testbed` keeps the programs of a Kubernetes node; outside any checkout, shared by all of them. */
export function testbedFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(dirname(vllmCpuFolder(env)), 'testbed')
}

/** A folder with these programs: `KUBEBUILDER_ASSETS`, else the test bed's; undefined where neither has them all. */
export function findPrograms(
  names: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const named = env['KUBEBUILDER_ASSETS'] ?? ''
  return [...(named === '' ? [] : [named]), testbedFolder(env)].find((folder) =>
    names.every((name) => isProgram(join(folder, name))),
  )
}

/** What an API server takes. */
export const apiServerPrograms = ['kube-apiserver', 'etcd'] as const

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
