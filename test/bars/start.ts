// A fresh clone, `npm start`, until every adapter of the example is routable, install included.
//   node bin/run.mjs test/bars/start.ts [--engine simulator|vllm] [--cold-cache]
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { parseArgs } from 'node:util'

export interface StartFigures {
  readonly engine: string
  readonly seconds: number
  readonly ready: number
}

export async function startFresh(
  engine: 'simulator' | 'vllm',
  coldCache: boolean,
): Promise<StartFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-fresh-'))
  const clone = join(folder, 'loraplex')
  execFileSync('git', ['clone', '--quiet', join(import.meta.dirname, '..', '..'), clone])
  const startedAt = performance.now()
  // A process group of its own, so that npm, the shim and the service can be ended together.
  const child = spawn(
    'npm',
    ['start', '--', '--engine', engine, '--port', '0', '--admin-port', '0'],
    {
      cwd: clone,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...(coldCache ? { npm_config_cache: join(folder, 'npm-cache') } : {}),
      },
    },
  )
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += String(chunk)))
  child.stderr.on('data', (chunk: Buffer) => (output += String(chunk)))
  try {
    while (!output.includes('Operator:')) {
      if (child.exitCode !== null) {
        throw new Error(`npm start ended:\n${output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const seconds = (performance.now() - startedAt) / 1000
    return { engine, seconds: Math.round(seconds * 10) / 10, ready: output.split('✓').length - 1 }
  } finally {
    if (child.pid !== undefined && child.exitCode === null) {
      process.kill(-child.pid, 'SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string', default: 'simulator' },
      'cold-cache': { type: 'boolean', default: false },
    },
  })
  const figures = await startFresh(
    values.engine === 'vllm' ? 'vllm' : 'simulator',
    values['cold-cache'],
  )
  console.log(JSON.stringify(figures))
  process.exitCode =
    figures.ready === 3 && figures.seconds <= (figures.engine === 'vllm' ? 90 : 60) ? 0 : 1
}
