import { execFile, execFileSync } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A clone of the checkout as somebody gets it: nothing installed, with what is not committed yet. */
export interface FreshClone extends AsyncDisposable {
  readonly path: string
  /** What a person's shell has: without this checkout's Node, and without what npm and vitest set. */
  readonly env: Readonly<Record<string, string>>
}

export async function freshClone(root: string): Promise<FreshClone> {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-clone-'))
  const path = join(folder, 'loraplex')
  await run('git', ['clone', '--quiet', root, path])
  for (const file of listFiles(root, '--deleted')) {
    await rm(join(path, file))
  }
  for (const file of listFiles(root, '--modified', '--others', '--exclude-standard')) {
    await cp(join(root, file), join(path, file)).catch(() => undefined)
  }
  return {
    path,
    env: shellEnvironment(root),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}

function listFiles(root: string, ...which: readonly string[]): readonly string[] {
  const names = execFileSync('git', ['ls-files', '-z', ...which], { cwd: root, encoding: 'utf8' })
  return names.split('\0').filter((name) => name !== '')
}

const ours = /^(?:npm_|VITEST|LORAPLEX_|NODE_|TEST$|DEV$|PROD$|MODE$|SSR$|BASE_URL$|INIT_CWD$)/

function shellEnvironment(root: string): Record<string, string> {
  const entries = Object.entries(process.env).flatMap(([name, value]): [string, string][] =>
    value === undefined || ours.test(name) ? [] : [[name, value]],
  )
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(root))
    .join(delimiter)
  const cache = process.env['LORAPLEX_CACHE']
  return {
    ...Object.fromEntries(entries),
    PATH: path,
    ...(cache === undefined ? {} : { LORAPLEX_CACHE: cache }),
  }
}
