import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { countTests, type TestCounts, type VitestReport } from './vitest-counts.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')

export interface VitestPlace {
  readonly env: NodeJS.ProcessEnv
  /** A command that runs the tests inside something; empty for none. */
  readonly within: readonly string[]
}

/** Runs one project of vitest.config.ts in a process of its own, its words going to the terminal, and counts. */
export async function runVitest(
  project: string,
  args: readonly string[],
  { env, within }: VitestPlace,
): Promise<TestCounts> {
  const filtered = args.length > 0
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-test-'))
  const reportFile = join(folder, 'report.json')
  const [command, ...rest] = [...within, process.execPath]
  const child = spawn(
    command,
    [
      ...rest,
      join(root, 'node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--project',
      project,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
      ...(filtered ? ['--passWithNoTests'] : []),
      `--retry=${env['LORAPLEX_TEST_RETRIES'] ?? '0'}`,
      ...args,
    ],
    { cwd: root, stdio: 'inherit', env },
  )
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal)
  const signals = ['SIGINT', 'SIGTERM'] as const
  signals.forEach((signal) => process.on(signal, forward))
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return countTests(await readReport(reportFile), code, filtered)
  } finally {
    signals.forEach((signal) => process.off(signal, forward))
    await rm(folder, { recursive: true, force: true })
  }
}

async function readReport(path: string): Promise<VitestReport | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as VitestReport
  } catch {
    return undefined
  }
}
