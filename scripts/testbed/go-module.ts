import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { runLogged } from './run-logged.ts'

/** A Go module of our own, thrown away afterwards, in which programs of other modules are built. */
export class GoModule {
  readonly #folder: string
  readonly #log: string

  static async create(folder: string, log: string, files: Readonly<Record<string, string>>) {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), text)
    }
    return new GoModule(folder, log)
  }

  private constructor(folder: string, log: string) {
    this.#folder = folder
    this.#log = log
  }

  /** `go ARGS`, its standard output. */
  async go(...args: readonly string[]): Promise<string> {
    return await this.#run(args, { GOFLAGS: '-trimpath -buildvcs=false -mod=mod' })
  }

  async write(path: string, text: string): Promise<void> {
    await writeFile(join(this.#folder, path), text)
  }

  /** Builds one package into a file, without symbols: nobody debugs them, and they become a third smaller. */
  async build(path: string, output: string, linkerFlags = '', tags = ''): Promise<void> {
    const flags = [
      '-ldflags',
      `-s -w ${linkerFlags}`.trim(),
      ...(tags === '' ? [] : ['-tags', tags]),
    ]
    await this.go('build', ...flags, '-o', output, path)
  }

  /** Builds `path@version` into a file. */
  async install(versioned: string, output: string): Promise<void> {
    const folder = join(this.#folder, 'bin')
    const env = { GOFLAGS: '-buildvcs=false', GOBIN: folder }
    await this.#run(['install', '-ldflags', '-s -w', versioned], env)
    const [built] = await readdir(folder)
    await copyFile(join(folder, built ?? ''), output)
  }

  async #run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
    return await runLogged('go', args, {
      cwd: this.#folder,
      log: this.#log,
      // Linked statically: they run on any Linux.
      env: { CGO_ENABLED: '0', GOWORK: 'off', ...env },
    })
  }
}
