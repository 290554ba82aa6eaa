import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { vllmCpuFolder } from '../../src/engine/find-vllm.ts'

const run = promisify(execFile)

/** The newest when the tests were written; pinned, so that a test does not change by itself. */
const packages = ['openai==3.52.0', 'anthropic==2.11.0'] as const

/** Beside the other prepared things, outside any checkout. */
function pythonFolder(): string {
  return join(dirname(vllmCpuFolder()), packages.join('-').replaceAll('==', '-'))
}

/**
 * The path of a Python with the packages, or undefined where there is none: `npm test` installs nothing on
 * anybody's machine, so it is made only with `LORAPLEX_TEST_TIERS=all`.
 */
export async function findPython(): Promise<string | undefined> {
  const python = join(pythonFolder(), 'bin', 'python')
  if (await exists(python)) {
    return python
  }
  return process.env['LORAPLEX_TEST_TIERS'] === 'all' ? await preparePython() : undefined
}

/** The path of a Python with the packages; makes a virtual environment at the first call (seconds). */
export async function preparePython(): Promise<string> {
  const folder = pythonFolder()
  const python = join(folder, 'bin', 'python')
  if (await exists(python)) {
    return python
  }
  await mkdir(dirname(folder), { recursive: true })
  const unfinished = await mkdtemp(`${folder}.`)
  try {
    await run(await systemPython(), ['-m', 'venv', unfinished])
    const pip = ['-m', 'pip', '--disable-pip-version-check', '--no-input', 'install', '--quiet']
    await run(join(unfinished, 'bin', 'python'), [...pip, ...packages])
    // Whole or not at all, so nobody needs a lock. Python finds its packages beside itself, wherever that is.
    await rename(unfinished, folder)
  } catch (error) {
    if (!(await exists(python))) {
      throw error
    }
    // Somebody else was faster.
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return python
}

async function systemPython(): Promise<string> {
  for (const command of ['python3', 'python3.13', 'python3.12', 'python3.11']) {
    try {
      await run(command, ['-c', 'import venv, ensurepip'])
      return command
    } catch {
      // Not there, or without venv: Debian packages it apart.
    }
  }
  throw new Error('no Python with venv was found (Debian: apt-get install python3-venv)')
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
