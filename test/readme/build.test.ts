import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { LongCommand } from './shell.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What an image would hold: no sources, no lockfile, no TypeScript. */
let installed: string

beforeAll(async () => {
  installed = await mkdtemp(join(tmpdir(), 'loraplex-build-'))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  await run(
    process.execPath,
    [tsc, '-p', 'tsconfig.build.json', '--outDir', join(installed, 'dist')],
    { cwd: root },
  )
  await cp(join(root, 'bin'), join(installed, 'bin'), { recursive: true })
  await cp(join(root, 'package.json'), join(installed, 'package.json'))
  await symlink(join(root, 'node_modules'), join(installed, 'node_modules'))
})

afterAll(() => rm(installed, { recursive: true, force: true, maxRetries: 5 }))

test('the build runs the same command', async () => {
  const { stdout } = await run('node', [join(installed, 'bin', 'loraplex.mjs'), '--version'])
  expect(stdout.trim()).toMatch(/^\d+\.\d+\.\d+$/)
})

test('the build starts the simulator and the preflight workers from what was built', async () => {
  const state = join(installed, 'state')
  const service = new LongCommand(
    `node bin/loraplex.mjs up ${join(root, 'examples', 'standalone')} --engine simulator --port 0 --admin-port 0 --state ${state}`,
    { cwd: installed, env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '' } },
  )
  try {
    await vi.waitUntil(() => service.hasEnded || service.output.includes('Try it:'), {
      timeout: 55_000,
      interval: 50,
    })
    expect(service.output).toMatch(/acme\s+tickets\s+Ready/)
    await service.terminate()
    await vi.waitUntil(() => !service.hasSurvivors, { timeout: 20_000 })
  } finally {
    await service.stop()
  }
}, 90_000)
