import { spawnSync } from 'node:child_process'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { isProgram, testbedFolder } from '../../test/support/testbed-folder.ts'

/** `LORAPLEX_HELM`, else the PATH's, else the one that the test bed built; undefined where there is none. */
export function findHelm(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env['LORAPLEX_HELM'] ?? ''
  const folders = [
    ...(env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== ''),
    testbedFolder(env),
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
