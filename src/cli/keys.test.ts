import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { keyCommands } from './commands/keys.ts'
import { readFolder } from './folder-view.ts'
import { runProgram } from './program.ts'

function aFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text)
  }
  return folder
}

async function keys(folder: string, ...argv: readonly string[]) {
  let out = ''
  let err = ''
  const code = await runProgram(['keys', ...argv], {
    commands: keyCommands,
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

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex')

test('a key is rotated with grace: the old one gets an end, the new one has its rights', async () => {
  const folder = aFolder()
  await keys(folder, 'create', 'laptop', '-n', 'acme', '--dir', '.', '--models', 'tickets')
  const { code, out, err } = await keys(folder, 'rotate', 'laptop', '--dir', '.', '--grace', '2h')
  expect(code).toBe(0)
  const { snapshot } = await readFolder(folder)
  const old = snapshot.keys.get('acme/laptop')?.spec
  const hours = (Date.parse(old?.expirationTime ?? '') - Date.now()) / 3_600_000
  expect(hours).toBeGreaterThan(1.99)
  expect(hours).toBeLessThanOrEqual(2)
  expect(err).toContain(`The old key works until ${old?.expirationTime}`)
  expect(snapshot.keys.get('acme/laptop-2')?.spec).toMatchObject({
    sha256: sha256(out.trim()),
    models: ['tickets'],
    revoked: false,
  })
  expect(snapshot.keys.get('acme/laptop-2')?.spec.expirationTime).toBeUndefined()
})

test('grace never makes a key live longer', async () => {
  const folder = aFolder()
  await keys(folder, 'create', 'laptop', '-n', 'acme', '--dir', '.', '--expires', '1h')
  const before = readFileSync(join(folder, 'key-acme-laptop.yaml'), 'utf8')
  await keys(folder, 'rotate', 'laptop', '--dir', '.', '--grace', '2d')
  expect(readFileSync(join(folder, 'key-acme-laptop.yaml'), 'utf8')).toBe(before)
})

test('hashes of another gateway are taken over', async () => {
  const folder = aFolder({
    'old.json': JSON.stringify([
      {
        token: sha256('sk-1234567890abcdefghij'),
        key_alias: 'Ann’s Laptop',
        expires: '2030-01-31 12:00:00',
        models: ['tickets'],
        spend: 3.5,
      },
      { name: 'ci', sha256: `sha256:${sha256('sk-of-the-pipeline-0000')}` },
    ]),
  })
  mkdirSync(join(folder, 'models'))
  const { code } = await keys(folder, 'import', 'old.json', '-n', 'acme', '--dir', 'models')
  expect(code).toBe(0)
  const { snapshot, problems } = await readFolder(join(folder, 'models'))
  expect(problems).toEqual([])
  expect(snapshot.keys.get('acme/ann-s-laptop')?.spec).toMatchObject({
    sha256: sha256('sk-1234567890abcdefghij'),
    expirationTime: '2030-01-31T12:00:00.000Z',
    models: ['tickets'],
  })
  expect(snapshot.keys.get('acme/ci')?.spec.sha256).toBe(sha256('sk-of-the-pipeline-0000'))
  const again = await keys(folder, 'import', 'old.json', '-n', 'acme', '--dir', 'models')
  expect(again.err).toContain('acme/ci is there already')
})

test('a key in the place of its hash is refused and never shown', async () => {
  const secret = 'sk-1234567890abcdefghij'
  const folder = aFolder({ 'old.json': JSON.stringify([{ name: 'a', sha256: secret }]) })
  const { code, out, err } = await keys(folder, 'import', 'old.json', '-n', 'acme', '--dir', '.')
  expect(code).toBe(1)
  expect(err).toContain('entry 1 has no SHA-256 of a whole key')
  expect(out + err).not.toContain(secret)
})
