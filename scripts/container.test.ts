import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { expect, onTestFinished, test } from 'vitest'

/** The image's first program before `main`, and how it ended once it was told to. */
async function endOf(main: string): Promise<number | null> {
  const root = mkdtempSync(join(tmpdir(), 'loraplex-container-'))
  onTestFinished(() => rmSync(root, { recursive: true, force: true }))
  mkdirSync(join(root, 'bin'))
  mkdirSync(join(root, 'dist/cli'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(join(root, 'dist/cli/main.js'), main)
  copyFileSync(join(import.meta.dirname, '../bin/container.cjs'), join(root, 'bin/container.cjs'))
  const child = spawn(process.execPath, [join(root, 'bin/container.cjs')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

const waits = "process.stdout.write('.'); setTimeout(() => undefined, 60_000);"

test('a signal that comes before anybody listens ends the process, as nothing has begun', async () => {
  expect(await endOf(waits)).toBe(143)
})

test('whoever listens decides', async () => {
  expect(await endOf(`process.on('SIGTERM', () => process.exit(7)); ${waits}`)).toBe(7)
})
