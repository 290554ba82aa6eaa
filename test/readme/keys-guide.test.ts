// docs/guides/keys.md word for word, on a service that follows the folder.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call } from '../support/http-caller.ts'
import { adapterYaml, fixtures, poolYaml, tenantYaml } from '../support/service.ts'
import { UpProcess } from '../support/up-process.ts'
import { readBlocks } from './read-blocks.ts'
import { runBlock } from './shell.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/guides/keys.md'), 'utf8')
const blocks = readBlocks(page).filter(({ language }) => language === 'sh')

let up: UpProcess
beforeAll(async () => {
  up = UpProcess.create({
    'pool.yaml': poolYaml(),
    'acme.yaml':
      tenantYaml('acme') +
      adapterYaml('acme', 'tickets', join(fixtures, 'adapters', 'acme-tickets')),
  })
  mkdirSync(join(up.folder, 'bin'))
  const command = `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'src/cli/main.ts')}" "$@"\n`
  writeFileSync(join(up.folder, 'bin', 'loraplex'), command, { mode: 0o755 })
  // The page's folder is the one that the service follows.
  await runBlock('ln -s . models', { cwd: up.folder, env: { PATH: process.env['PATH'] ?? '' } })
  await up.start()
})
afterAll(() => up.dispose())

const run = (at: number): Promise<string> =>
  runBlock(blocks[at]?.text ?? 'false', {
    cwd: up.folder,
    env: { PATH: `${join(up.folder, 'bin')}:${process.env['PATH'] ?? ''}` },
  })
const keyIn = (file: string): string =>
  /lpx_\S+/.exec(readFileSync(join(up.folder, file), 'utf8'))?.[0] ?? ''

async function statusFor(key: string): Promise<number> {
  return (await call(`${up.url}/v1/models/tickets`, { key })).status
}

/** The bar is a second; a machine that others use may need longer. */
const becomes = (key: string, status: number) =>
  expect.poll(() => statusFor(key), { timeout: 20_000, interval: 20 }).toBe(status)

test('a key’s whole life is what the guide says', async () => {
  expect(blocks).toHaveLength(5)
  expect(await run(0)).toMatch(/acme +laptop +[a-z0-9]{12} .*Valid/)
  await becomes(keyIn('laptop.key'), 200)
  await run(1)
  await becomes(keyIn('pipeline.key'), 200)
  expect(readFileSync(join(up.folder, 'pipeline.yaml'), 'utf8')).not.toContain('lpx_')
  expect(await run(2)).toContain('The old key works until ')
  await becomes(keyIn('laptop-2.key'), 200)
  expect(await statusFor(keyIn('laptop.key'))).toBe(200)
  expect(await run(3)).toContain('is revoked in')
  await becomes(keyIn('laptop.key'), 401)
  expect(await statusFor(keyIn('laptop-2.key'))).toBe(200)
  expect(await run(4)).toContain('TenantKey acme/old-laptop is in')
  await becomes('sk-of-the-old-gateway-1234', 200)
})

test('a revoked key does not come back, whatever its file says', async () => {
  const file = join(up.folder, 'key-acme-laptop.yaml')
  const text = readFileSync(file, 'utf8')
  expect(text).toContain('revoked: true')
  writeFileSync(file, text.replace('revoked: true', 'revoked: false'))
  // A change beside it tells when the folder was read again.
  const probe = readFileSync(join(up.folder, 'pipeline.yaml'), 'utf8')
  writeFileSync(join(up.folder, 'pipeline.yaml'), `${probe}  revoked: true\n`)
  await becomes(keyIn('pipeline.key'), 401)
  expect(await statusFor(keyIn('laptop.key'))).toBe(401)
})

test('a rotated key ends by itself at the end of its grace', async () => {
  const env = { PATH: `${join(up.folder, 'bin')}:${process.env['PATH'] ?? ''}` }
  const rotate = 'loraplex keys rotate laptop-2 -n acme --dir models --grace 10s > next.key'
  await runBlock(rotate, { cwd: up.folder, env })
  await becomes(keyIn('next.key'), 200)
  await becomes(keyIn('laptop-2.key'), 401)
  const answer = await call(`${up.url}/v1/models`, { key: keyIn('laptop-2.key') })
  expect(answer.text).toContain('expired')
  expect(await statusFor(keyIn('next.key'))).toBe(200)
})
