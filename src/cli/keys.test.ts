import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../../test/support/run-command.ts'
import { keyCommands } from './commands/keys.ts'
import { readFolder } from './folder-view.ts'

function aFolder(files: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'loraplex-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const keys = (folder: string, ...argv: readonly string[]) =>
  runCommand(keyCommands, folder, ['keys', ...argv])

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

test('a list as CSV is taken over, what is blocked there is left out, and no name is lost', async () => {
  const hashes = ['one', 'two', 'three', 'four', 'five'].map((name) =>
    sha256(`sk-${name}-of-long-ago`),
  )
  const folder = aFolder({
    'old.csv': [
      '\uFEFFtoken,key_alias,expires,models,blocked',
      `${hashes[0]},"Ann, ""the"" laptop",2030-01-31 12:00:00,"{tickets,other}",f`,
      `${hashes[1]},ci,,all-team-models,`,
      `${hashes[2]},ci,,,`,
      `${hashes[3]},gone,,,t`,
      `${hashes[4]},,,,`,
      '',
    ].join('\r\n'),
  })
  const { code, out, err } = await keys(folder, 'import', 'old.csv', '-n', 'acme', '--dir', 'new')
  expect([code, out.split('\n').length]).toEqual([0, 5])
  expect(err).toContain('acme/gone is blocked and left out')
  const { snapshot, problems } = await readFolder(join(folder, 'new'))
  expect(problems).toEqual([])
  expect(
    Object.fromEntries(
      [...snapshot.keys].map(([name, { spec }]) => [name, [spec.sha256, spec.models]]),
    ),
  ).toEqual({
    'acme/ann-the-laptop': [hashes[0], ['tickets', 'other']],
    'acme/ci': [hashes[1], undefined],
    'acme/ci-2': [hashes[2], undefined],
    [`acme/imported-${hashes[4]?.slice(0, 8)}`]: [hashes[4], undefined],
  })
  expect((await keys(folder, 'import', 'old.csv', '-n', 'acme', '--dir', 'new')).out).toBe('')
})

test.each([
  ['{"keys": [{"key_alias": "ci", "token": "HASH"}]}', 0],
  ['name,sha256\nci,HASH\n', 0],
  ['name;sha256\nci;HASH\n', 1],
  ['[{"name": "ci"}]', 1],
  ['{"name": "ci"}', 2],
  ['', 2],
])('%j is judged', async (text, want) => {
  const folder = aFolder({ old: text.replace('HASH', sha256('sk-of-the-pipeline-0000')) })
  const { code, err } = await keys(folder, 'import', 'old', '-n', 'acme', '--dir', '.')
  expect([code, err]).toEqual([want, expect.any(String)])
})

test('a rotated key ends with the old one or when one says so, and not in the past', async () => {
  const folder = aFolder()
  const endOf = async (name: string): Promise<number> => {
    const { snapshot } = await readFolder(folder)
    return (
      (Date.parse(snapshot.keys.get(`acme/${name}`)?.spec.expirationTime ?? '') - Date.now()) /
      60_000
    )
  }
  await keys(folder, 'create', 'laptop', '-n', 'acme', '--dir', '.', '--expires', '90m')
  const same = await keys(folder, 'rotate', 'laptop', '--dir', '.')
  expect(same.err).toContain('It works until ')
  expect(await endOf('laptop-2')).toBeCloseTo(await endOf('laptop'), 1)
  await keys(folder, 'rotate', 'laptop', '--dir', '.', '--expires', '30d', '--grace', '30m')
  expect(Math.round((await endOf('laptop-3')) / 1440)).toBe(30)
  expect(Math.round(await endOf('laptop'))).toBe(30)

  const file = join(folder, 'key-acme-laptop.yaml')
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(
      /expirationTime: .*/,
      'expirationTime: 2020-01-01T00:00:00Z',
    ),
  )
  const late = await keys(folder, 'rotate', 'laptop', '--dir', '.')
  expect([late.code, late.out]).toEqual([2, ''])
  expect(late.err).toContain('say with --expires when the new one ends')
  expect((await keys(folder, 'rotate', 'laptop', '--dir', '.', '--expires', '1d')).code).toBe(0)
  const never = await keys(
    folder,
    'create',
    'x',
    '-n',
    'acme',
    '--dir',
    '.',
    '--expires',
    '9999999d',
  )
  expect(never.code).toBe(2)
})
