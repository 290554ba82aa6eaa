import { GoModule } from './go-module.ts'
import { kubernetesModule } from './kubernetes-module.ts'
import { versions } from './versions.ts'

/** Programs that are built together. */
export interface ProgramGroup {
  readonly names: readonly string[]
  /** Go records in every program which modules went into it: this line is how ours is known. */
  readonly module?: { readonly path: string; readonly version: string }
  /** What a program contains if it was built in our way. */
  readonly mark?: string
  /** Builds the named ones of `names` with `output(name)` as their files. */
  readonly build: (place: BuildPlace, names: readonly string[]) => Promise<void>
}

export interface BuildPlace {
  readonly folder: string
  readonly log: string
  readonly output: (name: string) => string
}

const go = 'go 1.25\n'
const kubernetesModulePath = 'k8s.io/kubernetes'
const corednsModulePath = 'github.com/coredns/coredns'
const containerdModulePath = 'github.com/containerd/containerd/v2'

function kubernetes(names: readonly string[]): ProgramGroup {
  // Without one they call themselves v0.0.0-master, and whoever compares versions (helm) refuses them.
  const name = `${versions.kubernetes}+testbed`
  const version = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
    .map((path) => `-X ${path}.gitVersion=${name}`)
    .join(' ')
  return {
    names,
    module: { path: kubernetesModulePath, version: versions.kubernetes },
    mark: name,
    build: async ({ folder, log, output }, wanted) => {
      const module = await kubernetesModule(folder, log)
      for (const program of wanted) {
        await module.build(`${kubernetesModulePath}/cmd/${program}`, output(program), version)
      }
    },
  }
}

const etcd: ProgramGroup = {
  names: ['etcd'],
  module: { path: 'go.etcd.io/etcd/server/v3', version: versions.etcd },
  build: async ({ folder, log, output }) => {
    const module = await GoModule.create(folder, log, {
      'go.mod': `module testbed\n${go}`,
      'etcd/main.go':
        'package main\nimport (\n"os"\n"go.etcd.io/etcd/server/v3/etcdmain"\n)\nfunc main() { etcdmain.Main(os.Args) }\n',
    })
    await module.go('get', `go.etcd.io/etcd/server/v3@${versions.etcd}`)
    await module.go('mod', 'tidy')
    await module.build('./etcd', output('etcd'))
  },
}

const containerd: ProgramGroup = {
  names: ['containerd', 'containerd-shim-runc-v2', 'ctr'],
  module: { path: containerdModulePath, version: versions.containerd },
  build: async ({ folder, log, output }, wanted) => {
    const module = await GoModule.create(folder, log, { 'go.mod': `module testbed\n${go}` })
    const packages = wanted.map((name) => `${containerdModulePath}/cmd/${name}`)
    await module.go('get', ...packages.map((path) => `${path}@${versions.containerd}`))
    for (const name of wanted) {
      const path = `${containerdModulePath}/cmd/${name}`
      await module.build(path, output(name), '', 'no_btrfs,no_devmapper,no_zfs')
    }
  },
}

const coredns: ProgramGroup = {
  names: ['coredns'],
  module: { path: corednsModulePath, version: versions.coredns },
  build: async ({ folder, log, output }) => {
    // With every plugin it would bring the clients of three clouds, and take minutes to build.
    const packages = ['coremain', 'plugin/bind', 'plugin/kubernetes']
    const paths = packages.map((name) => `${corednsModulePath}/${name}`)
    const [main, ...plugins] = paths.map((path) => `"${path}"`)
    const module = await GoModule.create(folder, log, {
      'go.mod': `module testbed\n${go}`,
      'coredns/main.go': `package main\nimport (\n${main}\n${plugins.map((path) => `_ ${path}\n`).join('')})\nfunc main() { coremain.Run() }\n`,
    })
    await module.go('get', ...paths.map((path) => `${path}@${versions.coredns}`))
    await module.build('./coredns', output('coredns'))
  },
}

const pause: ProgramGroup = {
  names: ['pause'],
  build: async ({ folder, log, output }) => {
    const module = await GoModule.create(folder, log, {
      'go.mod': `module testbed\n${go}`,
      'main.go':
        'package main\nimport (\n"os"\n"os/signal"\n"syscall"\n)\nfunc main() {\nc := make(chan os.Signal, 1)\nsignal.Notify(c, syscall.SIGTERM, syscall.SIGINT)\n<-c\n}\n',
    })
    await module.build('.', output('pause'))
  },
}

/** A program that its module publishes to be installed as it is, with the very versions that it was released with. */
function installable(name: string, path: string, module: string, version: string): ProgramGroup {
  return {
    names: [name],
    module: { path: module, version },
    build: async ({ folder, log, output }) => {
      const own = await GoModule.create(folder, log, { 'go.mod': `module testbed\n${go}` })
      await own.install(`${path}@${version}`, output(name))
    },
  }
}

/** What an API server takes. */
export const apiServerGroups: readonly ProgramGroup[] = [kubernetes(['kube-apiserver']), etcd]

export const helmGroup: ProgramGroup = installable(
  'helm',
  'helm.sh/helm/v3/cmd/helm',
  'helm.sh/helm/v3',
  versions.helm,
)

/** What a whole node takes. */
export const clusterPrograms: readonly ProgramGroup[] = [
  kubernetes([
    'kube-apiserver',
    'kube-controller-manager',
    'kube-scheduler',
    'kubelet',
    'kube-proxy',
  ]),
  etcd,
  containerd,
  coredns,
  helmGroup,
  pause,
]
