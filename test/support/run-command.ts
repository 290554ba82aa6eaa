import type { Command } from '../../src/cli/command.ts'
import { runProgram } from '../../src/cli/program.ts'

/** Runs `loraplex` with some of its commands in this process, and says what it wrote. */
export async function runCommand(
  commands: readonly Command[],
  folder: string,
  argv: readonly string[],
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = ''
  let err = ''
  const code = await runProgram(argv, {
    commands,
    version: '1.2.3',
    io: {
      out: (text) => (out += text),
      err: (text) => (err += text),
      env: {},
      workingFolder: folder,
      color: false,
    },
  })
  return { code, out, err }
}
