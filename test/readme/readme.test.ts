import { readdirSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import { commands } from '../../src/cli/commands.ts'
import { freePort } from '../../src/engine/free-port.ts'
import { findPython } from '../support/python.ts'
import { freshClone, type FreshClone } from './fresh-clone.ts'
import { readBlocks, type Block } from './read-blocks.ts'
import { LongCommand, runBlock } from './shell.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = await readFile(join(root, 'README.md'), 'utf8')
const blocks = readBlocks(page)
const python = await findPython()

const startCommand = 'npm start'
/** Run by whoever runs this test: it may not start itself again. */
const testCommand = 'npm test'
const isRun = (block: Block): boolean =>
  ['sh', 'js', 'python'].includes(block.language) && block.leftOut === undefined
const runnable = blocks.filter(isRun)
const afterStart = runnable
  .filter(({ text }) => ![startCommand, testCommand].includes(text))
  .map((block) => ({ ...block, firstLine: block.text.split('\n')[0] ?? '' }))

test('the README starts the service and its tests with the scripts of package.json', () => {
  expect(runnable.map(({ text }) => text)).toEqual(
    expect.arrayContaining([startCommand, testCommand]),
  )
  expect(manifest.scripts).toHaveProperty('start')
  expect(manifest.scripts.test).toContain('scripts/test.ts')
})

test('every script and every command that the README names is there', () => {
  const scripts = [...page.matchAll(/\bnpm run ([\w:]+)/g)].map((match) => match[1])
  expect(Object.keys(manifest.scripts)).toEqual(expect.arrayContaining(scripts))
  const bars = [...page.matchAll(/`bars\/([\w-]+)/g)].map((match) => `${match[1] ?? ''}.ts`)
  expect(readdirSync(join(root, 'test', 'bars'))).toEqual(
    expect.arrayContaining(bars.filter((bar) => bar !== 'x.ts')),
  )
  const named = [...page.matchAll(/(?:npx |`)loraplex ([a-z][a-z-]+)/g)].map((match) => match[1])
  const known = commands.flatMap(({ name }) => [name, name.split(' ')[0]])
  expect(known).toEqual(expect.arrayContaining(named))
})

test('a block is left out only with a reason', () => {
  const fences = page.split('\n').filter((line) => /^```\w/.test(line))
  expect(
    fences.filter((line) => !/^```(?:text|yaml|(?:sh|js|python)(?: no-test: .+)?)$/.test(line)),
  ).toEqual([])
})

describe('on a fresh clone', () => {
  let clone: FreshClone
  let service: LongCommand
  /** The README's ports where they are free; others on a machine that has something there. */
  let ports: ReadonlyMap<string, string>
  /** Assignments of earlier blocks, as a shell keeps them. */
  let assignments = ''

  beforeAll(async () => {
    clone = await freshClone(root)
    ports = new Map([
      ['8080', await portNear(8080)],
      ['9090', await portNear(9090)],
    ])
    // A real vLLM has a suite of its own; here the same thing runs everywhere.
    const env = {
      ...clone.env,
      LORAPLEX_ENGINE: 'simulator',
      LORAPLEX_PORT: ports.get('8080') ?? '',
      LORAPLEX_ADMIN_PORT: ports.get('9090') ?? '',
    }
    service = new LongCommand(startCommand, { cwd: clone.path, env })
  })

  afterAll(async () => {
    await service.stop()
    await clone[Symbol.asyncDispose]()
  })

  test(
    'npm start installs, starts and ends with a table and a curl',
    { timeout: 240_000 },
    async () => {
      const isSettled = (): boolean => service.hasEnded || service.output.includes('Try it:')
      await vi.waitUntil(isSettled, { timeout: 230_000, interval: 100 })
      expect(service.hasEnded, service.output).toBe(false)
      expect(service.output).toMatch(/acme\s+tickets\s+Ready\s+lpx_/)
    },
  )

  test.for(afterStart)(
    'line $line of the README: $firstLine',
    { timeout: 120_000 },
    async (block, { skip }) => {
      skip(block.language === 'python' && python === undefined, 'needs npm run test:python')
      const output = await runBlock(`${assignments}\n${await commandOf(block)}`, {
        cwd: clone.path,
        env: clone.env,
      })
      expect(output).not.toMatch(/"error"\s*:/)
      if (block.language === 'sh') {
        assignments += block.text
          .split('\n')
          .filter((line) => /^(?:export )?[A-Z_]+=/.test(line))
          .map((line) => `${withPorts(line)}\n`)
          .join('')
      }
    },
  )

  test('SIGTERM ends it, and nothing of it is left', { timeout: 60_000 }, async () => {
    await service.terminate()
    await vi.waitFor(() => expect(service.hasSurvivors).toBe(false), { timeout: 30_000 })
    expect(service.output).toContain('stopping')
  })

  async function commandOf({ language, text, line }: Block): Promise<string> {
    switch (language) {
      case 'js': {
        // A caller's own project, which has the SDK; the clone that serves has what serving takes.
        const folder = join(root, 'node_modules', '.readme')
        const file = join(folder, `line-${line}.mjs`)
        await mkdir(folder, { recursive: true })
        await writeFile(file, withPorts(text))
        return `node ${file}`
      }
      case 'python': {
        const file = join(clone.path, `readme-line-${line}.py`)
        await writeFile(file, withPorts(text))
        return `${python ?? 'python3'} ${file}`
      }
      default:
        return withPorts(text)
    }
  }

  function withPorts(text: string): string {
    return text.replaceAll(
      /(?<=127\.0\.0\.1:|localhost:)(8080|9090)\b/g,
      (port) => ports.get(port) ?? port,
    )
  }
})

async function portNear(port: number): Promise<string> {
  const isFree = await new Promise<boolean>((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
  return String(isFree ? port : await freePort())
}
