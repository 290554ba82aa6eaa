import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { networkConfig } from './cluster-network.ts'
import { ClusterProcess } from './cluster-process.ts'
import { shell } from './cluster-shell.ts'

export const pauseImage = 'localhost/pause:1'

export interface ContainerdOptions {
  /** Where `containerd` and its shim are. */
  readonly programs: string
  readonly state: string
}

/** containerd with runc, its images imported from archives: there is no registry. */
export class Containerd {
  readonly socket: string
  readonly process: ClusterProcess
  readonly #programs: string
  readonly #snapshotter: string

  static async start({ programs, state }: ContainerdOptions): Promise<Containerd> {
    const snapshotter = await chooseSnapshotter(join(state, 'overlay-probe'))
    const socket = join(state, 'containerd.sock')
    await mkdir(join(state, 'cni'), { recursive: true })
    await writeFile(join(state, 'cni', '10-bridge.conflist'), JSON.stringify(networkConfig))
    const config = join(state, 'containerd.toml')
    const runc = await shell('sh', '-c', 'command -v runc')
    await writeFile(config, settings({ state, socket, snapshotter, runc }))
    const logs = join(state, 'logs')
    const process = new ClusterProcess(join(programs, 'containerd'), ['--config', config], logs)
    const containerd = new Containerd(programs, socket, snapshotter, process)
    await containerd.#answers()
    return containerd
  }

  private constructor(
    programs: string,
    socket: string,
    snapshotter: string,
    process: ClusterProcess,
  ) {
    this.#programs = programs
    this.socket = socket
    this.#snapshotter = snapshotter
    this.process = process
  }

  /** Takes an archive of `podman save`. */
  async importImage(archive: string): Promise<void> {
    await this.#ctr('-n', 'k8s.io', 'images', 'import', '--snapshotter', this.#snapshotter, archive)
  }

  /** Ends every container, and waits some seconds for it. */
  async endContainers(): Promise<void> {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const tasks = await this.#ctr('-n', 'k8s.io', 'tasks', 'list', '--quiet').catch(() => '')
      if (tasks === '') {
        return
      }
      const ids = tasks.split('\n')
      const kill = ['-n', 'k8s.io', 'tasks', 'delete', '--force']
      await this.#ctr(...kill, ...ids).catch(() => undefined)
      await delay(250)
    }
  }

  async #answers(): Promise<void> {
    for (let attempt = 0; attempt < 80; attempt += 1) {
      try {
        await this.#ctr('version')
        return
      } catch (error) {
        if (attempt === 79 || !this.process.isRunning) {
          throw new Error(`containerd does not answer: ${await this.process.lastWords()}`, {
            cause: error,
          })
        }
      }
      await delay(250)
    }
  }

  async #ctr(...args: readonly string[]): Promise<string> {
    return await shell(join(this.#programs, 'ctr'), '--address', this.socket, ...args)
  }
}

/** Overlays where this kernel and this folder can; else every container gets a copy of its image. */
async function chooseSnapshotter(probe: string): Promise<'overlayfs' | 'native'> {
  const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) =>
    join(probe, name),
  )
  await shell('mkdir', '-p', `${lower}`, `${upper}`, `${work}`, `${merged}`)
  try {
    const layers = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
    await shell('mount', '-t', 'overlay', 'overlay', '-o', layers, `${merged}`)
    await shell('umount', `${merged}`)
    return 'overlayfs'
  } catch {
    return 'native'
  }
}

function settings(options: {
  readonly state: string
  readonly socket: string
  readonly snapshotter: string
  readonly runc: string
}): string {
  const { state, socket, snapshotter, runc } = options
  const runtime = '"io.containerd.cri.v1.runtime"'
  return `version = 3
root = "${state}/containerd/root"
state = "${state}/containerd/state"
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${state}/containerd/opt"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "${snapshotter}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "${pauseImage}"
[plugins.${runtime}]
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.${runtime}.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "${state}/cni"
  [plugins.${runtime}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.${runtime}.containerd.runtimes.runc.options]
      BinaryName = "${runc}"
      SystemdCgroup = false
`
}
