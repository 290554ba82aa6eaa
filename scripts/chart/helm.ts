import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import process from 'node:process'
import { vllmCpuFolder } from '../../src/engine/find-vllm.ts'

/** `LORAPLEX_HELM`, else the PATH's, else the one that the test bed built; undefined where there is none. */
export function findHelm(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env['LORAPLEX_HELM'] ?? ''
  const folders = [
    ...(env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
    join(dirname(vllmCpuFolder(env)), 'testbed'),
  ]
  return named === '' ? folders.map((folder) => join(folder, 'helm')).find(isProgram) : named
}

export interface HelmResult {
  readonly ok: boolean
  readonly out: string
  readonly err: string
}

export function runHelm(
  helm: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): HelmResult {
  const { status, stdout, stderr, error } = spawnSync(helm, args, {
    encoding: 'utf8',
    env,
    maxBuffer: 64 * 1024 * 1024,
  })
  return { ok: status === 0, out: stdout ?? '', err: error?.message ?? stderr }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
