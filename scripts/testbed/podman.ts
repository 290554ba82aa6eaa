import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { testbedFolder } from '../../test/support/testbed-folder.ts'
import { runLogged } from './run-logged.ts'

export interface BuildOptions {
  readonly args?: Readonly<Record<string, string>>
  /** Folders of this machine and where the build sees them. */
  readonly volumes?: Readonly<Record<string, string>>
}

/** podman with a store of its own that goes away with it: nothing of the machine's images is seen or touched. */
export class Podman implements AsyncDisposable {
  readonly #folder: string
  readonly #runFolder: string
  readonly #log: string

  static async create(log: string): Promise<Podman> {
    // podman takes no run folder with a path of more than 50 characters.
    const runFolder = await mkdtemp('/tmp/podman-')
    return new Podman(await mkdtemp(join(testbedFolder(), '.podman-')), runFolder, log)
  }

  private constructor(folder: string, runFolder: string, log: string) {
    this.#folder = folder
    this.#runFolder = runFolder
    this.#log = log
  }

  async import(archive: string, tag: string): Promise<void> {
    await this.#run('import', '--quiet', archive, tag)
  }

  /**
   * Builds without a registry. In a plain chroot and on plain folders: both work inside containers too. Not layer by
   * layer: on plain folders each one would be a whole copy.
   */
  async build(context: string, tag: string, options: BuildOptions = {}): Promise<void> {
    const { args = {}, volumes = {} } = options
    await this.#run(
      'build',
      '--pull=never',
      '--isolation=chroot',
      '--layers=false',
      ...Object.entries(args).map(([name, value]) => `--build-arg=${name}=${value}`),
      ...Object.entries(volumes).map(([from, to]) => `--volume=${from}:${to}`),
      `--tag=${tag}`,
      context,
    )
  }

  /** As one archive for `ctr images import`. */
  async save(tag: string, archive: string): Promise<void> {
    await this.#run('save', '--quiet', '--output', archive, tag)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
    await rm(this.#runFolder, { recursive: true, force: true })
  }

  async #run(...args: readonly string[]): Promise<void> {
    const store = ['--root', join(this.#folder, 'store'), '--runroot', this.#runFolder]
    await runLogged('podman', ['--storage-driver=vfs', ...store, ...args], { log: this.#log })
  }
}
