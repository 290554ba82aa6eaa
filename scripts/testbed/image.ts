// `node bin/run.mjs scripts/testbed/image.ts` builds the image of the Dockerfile without a registry and prints its archive.
import { createHash } from 'node:crypto'
import {
  access,
  copyFile,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { UserError } from '../../src/errors.ts'
import { testbedFolder } from '../../test/support/testbed-folder.ts'
import { takeLock } from '../take-lock.ts'
import { npmCache, prepareBaseImage } from './base-image.ts'
import { Podman } from './podman.ts'
import { say, timed } from './progress.ts'
import { runLogged } from './run-logged.ts'

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const tag = 'localhost/loraplex:test'
const baseTag = 'localhost/loraplex-build-base:1'

/** What the Dockerfile reads, as `.dockerignore` says; here too, so that the archive can be named after it. */
const recipe = [
  'Dockerfile',
  '.dockerignore',
  '.npmrc',
  'LICENSE',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'bin/container.cjs',
] as const

/** An archive of our image as `podman save` writes it, built only if the sources changed. */
export async function prepareImage(): Promise<string> {
  const files = await inputFiles()
  const archives = join(testbedFolder(), 'images')
  const archive = join(archives, `loraplex-${await digestOf(files)}.tar`)
  if (await exists(archive)) {
    return archive
  }
  await mkdir(archives, { recursive: true })
  await using _lock = await takeLock(join(archives, '.lock'), (owner) =>
    say(`process ${owner} is building the image already; waiting for it`),
  )
  if (await exists(archive)) {
    return archive
  }
  const base = await prepareBaseImage()
  await timed('building the image', () => buildImage(files, base, archive))
  await removeOld(archives, archive)
  return archive
}

async function buildImage(files: readonly string[], base: string, archive: string): Promise<void> {
  const log = join(testbedFolder(), 'build.log')
  // A copy: the checkout may be edited meanwhile.
  const context = await mkdtemp(join(tmpdir(), 'loraplex-image-'))
  await using podman = await Podman.create(log)
  try {
    for (const file of files) {
      await mkdir(dirname(join(context, file)), { recursive: true })
      await copyFile(join(checkout, file), join(context, file))
    }
    await podman.import(base, baseTag)
    const setting = async (name: string): Promise<string> =>
      (await runLogged('npm', ['config', 'get', name], { cwd: checkout, log })).trim()
    const options = {
      args: {
        BUILD_IMAGE: baseTag,
        // npm finds by the registry's address what it has kept.
        NPM_CONFIG_REGISTRY: await setting('registry'),
        NPM_CONFIG_OFFLINE: 'true',
      },
      volumes: { [await setting('cache')]: npmCache },
    }
    try {
      await podman.build(context, tag, options)
    } catch (error) {
      if (!String(error).includes('ENOTCACHED')) {
        throw error
      }
      await fillNpmCache(context, log)
      await podman.build(context, tag, options)
    }
    await podman.save(tag, `${archive}.unfinished`)
    await rename(`${archive}.unfinished`, archive)
  } finally {
    await rm(context, { recursive: true, force: true })
  }
}

/** Installs the dependencies somewhere else once, so that npm has all of them in its cache. */
async function fillNpmCache(context: string, log: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-npm-'))
  try {
    for (const file of ['.npmrc', 'package.json', 'package-lock.json']) {
      await copyFile(join(context, file), join(folder, file))
    }
    await timed("filling npm's cache", () =>
      runLogged('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder, log }),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function inputFiles(): Promise<readonly string[]> {
  const sources = await readdir(join(checkout, 'src'), { recursive: true, withFileTypes: true })
  const paths = sources
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(checkout.length + 1))
  return [...recipe, ...paths.sort()]
}

async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(process.versions.node)
  for (const file of files) {
    const content = await readFile(join(checkout, file))
    hash.update(`\n${file} ${content.length}\n`).update(content)
  }
  return hash.digest('hex').slice(0, 16)
}

/** A 200 MB archive for every change would fill the disk: the three newest stay. */
async function removeOld(folder: string, current: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.tar'))
  const dated = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })),
  )
  const old = dated.toSorted((a, b) => b.at - a.at).slice(3)
  await Promise.all(
    old
      .map(({ name }) => join(folder, name))
      .filter((path) => path !== current)
      .map((path) => rm(path)),
  )
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    process.stdout.write(`${await prepareImage()}\n`)
  } catch (error) {
    if (!(error instanceof UserError)) {
      throw error
    }
    say(error.message)
    process.exitCode = error.exitCode
  }
}
