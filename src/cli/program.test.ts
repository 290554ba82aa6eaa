import { describe, expect, test } from 'vitest'
import { UserError } from '../errors.ts'
import { defineCommand, type Command } from './command.ts'
import { runProgram } from './program.ts'

const seen: unknown[] = []
const greet = defineCommand({
  name: 'greet',
  summary: 'say hello',
  args: [
    { name: 'who', summary: 'whom' },
    { name: 'others', summary: 'who else', many: true, optional: true },
  ],
  options: {
    'max-words': { type: 'integer', summary: 'words', minimum: 1, maximum: 9, default: 3 },
    tone: { type: 'string', summary: 'tone', choices: ['warm', 'cold'], default: 'warm' },
    loud: { type: 'boolean', summary: 'shout', short: 'l' },
    note: { type: 'string', summary: 'note' },
  },
  run: async ({ args, options, io }) => {
    seen.push({ args, options, logFormat: io.logFormat })
    await Promise.resolve()
    if (args[0] === 'nobody') {
      throw new UserError('There is nobody here.\nName somebody.')
    }
    return 0
  },
})
const needs = defineCommand({
  name: 'group needs',
  summary: 'needs a flag',
  args: [],
  options: { file: { type: 'string', summary: 'a file', required: true } },
  run: () => Promise.resolve(1),
})

async function run(argv: readonly string[], env: NodeJS.ProcessEnv = {}) {
  let out = ''
  let err = ''
  seen.length = 0
  const commands: readonly Command[] = [greet, needs]
  const code = await runProgram(argv, {
    commands,
    version: '1.2.3',
    io: {
      out: (text) => (out += text),
      err: (text) => (err += text),
      env,
      workingFolder: '/',
      color: false,
    },
  })
  return { code, out, err, seen: seen[0] }
}

describe('options come from', () => {
  test('their defaults', async () => {
    expect((await run(['greet', 'you'])).seen).toEqual({
      args: ['you'],
      options: { 'max-words': 3, tone: 'warm', loud: false, note: undefined },
      logFormat: 'text',
    })
  })

  test('the environment', async () => {
    const env = { LORAPLEX_MAX_WORDS: '5', LORAPLEX_LOUD: 'true', LORAPLEX_LOG_FORMAT: 'json' }
    expect((await run(['greet', 'you', 'and', 'me'], env)).seen).toEqual({
      args: ['you', 'and', 'me'],
      options: { 'max-words': 5, tone: 'warm', loud: true, note: undefined },
      logFormat: 'json',
    })
  })

  test('the command line before the environment, wherever the global ones stand', async () => {
    const env = { LORAPLEX_MAX_WORDS: '5', LORAPLEX_LOG_FORMAT: 'json' }
    const argv = ['greet', 'you', '--max-words=7', '-l', '--log-format', 'text', '--note', 'x']
    expect((await run(argv, env)).seen).toEqual({
      args: ['you'],
      options: { 'max-words': 7, tone: 'warm', loud: true, note: 'x' },
      logFormat: 'text',
    })
  })
})

describe('wrong use ends with 2 and says what is right', () => {
  test.each([
    [['gret'], {}, 'Did you mean greet?'],
    [['greet', 'you', '--lud'], {}, 'Did you mean --loud?'],
    [['greet'], {}, "missing required argument 'who'"],
    [
      ['greet', 'you', '--max-words', '10'],
      {},
      '--max-words is "10"; write a whole number from 1 to 9.',
    ],
    [['greet', 'you'], { LORAPLEX_MAX_WORDS: 'x' }, 'LORAPLEX_MAX_WORDS is "x"'],
    [
      ['greet', 'you'],
      { LORAPLEX_LOUD: 'maybe' },
      'LORAPLEX_LOUD is "maybe"; write true or false.',
    ],
    [['greet', 'you', '--tone', 'hot'], {}, '--tone is "hot"; write one of warm, cold.'],
    [['greet', 'you', '--note', ''], {}, '--note is empty'],
    [['group', 'needs'], {}, '--file is missing: a file'],
    [['group', 'need'], {}, 'Did you mean needs?'],
    [['group', 'needs', '--file', 'a', 'b'], {}, 'too many arguments'],
    [
      ['greet', 'you', '--log-format', 'xml'],
      {},
      '--log-format is "xml"; write one of text, json.',
    ],
    [[], {}, 'Commands:'],
  ])('%s %s', async (argv, env, want) => {
    const { code, err, out } = await run(argv, env)
    expect(err).toContain(want)
    expect([code, out]).toEqual([2, ''])
  })
})

describe('a failure is told without a stack', () => {
  test('as text', async () => {
    const { code, err } = await run(['greet', 'nobody'])
    expect([code, err]).toEqual([1, 'loraplex: There is nobody here.\nName somebody.\n'])
  })

  test('as JSON', async () => {
    const { err } = await run(['greet', 'nobody', '--log-format', 'json'])
    expect(JSON.parse(err)).toEqual({
      level: 'error',
      msg: 'There is nobody here.\nName somebody.',
    })
  })
})

test('help and version are results', async () => {
  expect(await run(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n', err: '' })
  const help = await run(['greet', '--help'])
  expect(help.code).toBe(0)
  expect(help.out).toContain('[LORAPLEX_MAX_WORDS]')
  expect(help.out).toContain('one of warm, cold (default warm)')
})
