import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import { UserError } from '../../src/errors.ts'

export interface LoggedRun {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  readonly log: string
}

/** Runs a command into a log, answers its standard output. */
export async function runLogged(
  command: string,
  args: readonly string[],
  { cwd, env, log }: LoggedRun,
): Promise<string> {
  await mkdir(dirname(log), { recursive: true })
  const output = createWriteStream(log, { flags: 'a' })
  output.write(`\n$ ${command} ${args.join(' ')}\n`)
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env: { ...process.env, ...env } }),
  })
  let stdout = ''
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
    output.write(chunk)
  })
  child.stderr.pipe(output, { end: false })
  const code = await new Promise<number | null | Error>((resolve) => {
    child.once('error', resolve)
    child.once('close', resolve)
  })
  output.end()
  await finished(output)
  if (code !== 0) {
    const tail = (await readFile(log, 'utf8')).trimEnd().split('\n').slice(-15).join('\n')
    const how = code instanceof Error ? code.message : `ended with ${code}`
    throw new UserError(
      `Preparing the test bed failed: ${command} ${how}. The end of its log:\n${tail}\nAll of it: ${log}`,
    )
  }
  return stdout
}
