import process from 'node:process'
import { commands } from './commands.ts'
import { runProgram } from './program.ts'
import { loraplexVersion } from './version.ts'

// `loraplex get | head`: the reader may leave early, which is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      throw error
    }
    process.exit(0)
  })
}

process.exitCode = await runProgram(process.argv.slice(2), {
  commands,
  version: loraplexVersion(),
  io: {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    env: process.env,
    workingFolder: process.cwd(),
    color: process.stderr.isTTY && (process.env['NO_COLOR'] ?? '') === '',
  },
})
