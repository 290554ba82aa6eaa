import { enableCompileCache } from 'node:module'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

// Halves the start of every command. In our own folder: a shared temporary one could be filled by somebody else.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/loraplex', import.meta.url)))

// `loraplex get | head`: the reader may leave early, which is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') {
      throw error
    }
    process.exit(0)
  })
}

// Loaded only now, so that the cache serves them.
const [{ commands }, { runProgram }, { loraplexVersion }] = await Promise.all([
  import('./commands.ts'),
  import('./program.ts'),
  import('./version.ts'),
])

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
