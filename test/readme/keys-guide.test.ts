// docs/guides/keys.md word for word, on a service that follows the folder.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest'
import { anew } from '../support/anew.ts'
import { call } from '../support/http-caller.ts'
import { adapterYaml, fixtures, poolYaml, tenantYaml } from '../support/service.ts'
import { UpProcess } from '../support/up-process.ts'
import { readBlocks } from './read-blocks.ts'
import { runBlock } from './shell.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/guides/keys.md'), 'utf8')
const blocks = readBlocks(page).filter(({ language }) => language === 'sh')

let up: UpProcess
async function start(): Promise<void> {
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
}
beforeAll(start)
afterAll(() => up.dispose())

const runText = (text: string): Promise<string> =>
  runBlock(text, {
    cwd: up.folder,
    env: { PATH: `${join(up.folder, 'bin')}:${process.env['PATH'] ?? ''}` },
  })
const run = (at: number): Promise<string> => runText(blocks[at]?.text ?? 'false')
const keyIn = (file: string): string =>
  /lpx_\S+/.exec(readFileSync(join(up.folder, file), 'utf8'))?.[0] ?? ''

async function statusFor(key: string): Promise<number> {
  return (await call(`${up.url}/v1/models/tickets`, { key })).status
}

/** The bar is a second; a machine that others use may need longer. */
const becomes = (key: string, status: number) =>
  expect.poll(() => statusFor(key), { timeout: 20_000, interval: 20 }).toBe(status)

test('a key’s whole life is what the guide says', async () => {
  // The guide's names are there once.
  onTestFailed(async () => {
    await up.dispose()
    await start()
  })
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
  expect(readFileSync(join(up.folder, 'key-acme-laptop.yaml'), 'utf8')).toContain('revoked: true')
  expect(await statusFor(keyIn('laptop-2.key'))).toBe(200)
  expect(await run(4)).toContain('TenantKey acme/old-laptop is in')
  await becomes('sk-of-the-old-gateway-1234', 200)
})

test('a revoked key does not come back, whatever its file says', async () => {
  const probe = anew('probe')
  const into = `> models/${probe}.yaml 2> ${probe}.key`
  await runText(`loraplex keys create ${probe} -n acme -o yaml ${into}`)
  await becomes(keyIn(`${probe}.key`), 200)
  const file = join(up.folder, 'key-acme-laptop.yaml')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('revoked: true', 'revoked: false'))
  // A change beside it tells when the folder was read again.
  const beside = join(up.folder, `${probe}.yaml`)
  writeFileSync(beside, `${readFileSync(beside, 'utf8')}  revoked: true\n`)
  await becomes(keyIn(`${probe}.key`), 401)
  expect(await statusFor(keyIn('laptop.key'))).toBe(401)
})

test('a rotated key ends by itself at the end of its grace', async () => {
  const old = anew('old')
  await runText(`loraplex keys create ${old} -n acme --dir models > ${old}.key`)
  await runText(`loraplex keys rotate ${old} -n acme --dir models --grace 10s > next.key`)
  await becomes(keyIn('next.key'), 200)
  await becomes(keyIn(`${old}.key`), 401)
  const answer = await call(`${up.url}/v1/models`, { key: keyIn(`${old}.key`) })
  expect(answer.text).toContain('expired')
  expect(await statusFor(keyIn('next.key'))).toBe(200)
})
