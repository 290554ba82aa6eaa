// Plain JavaScript that any Node since 18 can run: makes sure that the dependencies of this checkout are
// installed and finds the pinned Node. Everything after it runs on that Node.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const wantedMajor = 24

/**
 * Installs what is missing, once per lockfile; answers at once where everything is there. Running the service takes the
 * run-time dependencies only, which install in a few seconds; working on it takes all.
 */
function installDependencies(forDevelopment) {
  const lockfile = join(root, 'package-lock.json')
  if (!existsSync(lockfile)) {
    return // an installed package or an image: the installer has done it
  }
  const stamp = join(root, 'node_modules', '.loraplex-lock')
  const digest = createHash('sha256').update(readFileSync(lockfile)).digest('hex')
  const enough = forDevelopment ? [`${digest} all`] : [`${digest} all`, `${digest} run-time`]
  const isInstalled = () => existsSync(stamp) && enough.includes(readFileSync(stamp, 'utf8'))
  if (isInstalled()) {
    return
  }
  withInstallLock(() => {
    if (isInstalled()) {
      return
    }
    const options = forDevelopment ? [] : ['--omit=dev']
    process.stderr.write(
      `loraplex: installing dependencies (npm ${['ci', ...options].join(' ')}), once for this checkout\n`,
    )
    const quiet = [
      '--no-audit',
      '--no-fund',
      '--ignore-scripts',
      '--prefer-offline',
      '--loglevel=error',
    ]
    const npm = spawnSync('npm', ['ci', ...options, ...quiet], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
      encoding: 'utf8',
    })
    if (npm.status !== 0) {
      process.stderr.write(`${npm.stderr ?? npm.error ?? ''}\n`)
      process.stderr.write(
        'loraplex: npm ci failed, so the dependencies are not there.\nRun `npm ci` yourself to see why, then start again.\n',
      )
      process.exit(1)
    }
    writeFileSync(stamp, `${digest} ${forDevelopment ? 'all' : 'run-time'}`)
  })
}

/** One installer at a time: two commands started together on a fresh clone must not both run npm ci. */
function withInstallLock(install) {
  const lock = join(root, '.install-lock')
  const deadline = Date.now() + 300_000
  for (;;) {
    try {
      mkdirSync(lock)
      break
    } catch {
      const stale = existsSync(lock) && Date.now() - statSync(lock).mtimeMs > 300_000
      if (stale || Date.now() > deadline) {
        rmSync(lock, { recursive: true, force: true })
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250)
    }
  }
  try {
    install()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

/** The Node of the lockfile (`node-<os>-<cpu>`), else the running one where it is new enough. */
function findNode() {
  const pinned = join(
    root,
    'node_modules',
    `node-${process.platform}-${process.arch}`,
    'bin',
    'node',
  )
  if (existsSync(pinned)) {
    return pinned
  }
  if (Number(process.versions.node.split('.')[0]) >= wantedMajor) {
    return process.execPath
  }
  process.stderr.write(
    `loraplex: needs Node ${wantedMajor}; this is ${process.version}, and no pinned Node is packaged for ${process.platform}-${process.arch}.\n` +
      `Install Node ${wantedMajor} (https://nodejs.org) and run the command again.\n`,
  )
  process.exit(1)
}

/** Runs `script` on the pinned Node with this process's streams, signals and exit code. */
export function runOnPinnedNode(script, args, { forDevelopment, nodeOptions = [] }) {
  installDependencies(forDevelopment)
  const node = findNode()
  const child = spawn(node, [...nodeOptions, join(root, script), ...args], {
    stdio: 'inherit',
    env: {
      ...process.env,
      PATH: `${dirname(node)}:${process.env.PATH ?? ''}`,
      LORAPLEX_SHIM_PID: String(process.pid),
    },
  })
  for (const signal of ['SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal))
  }
  // A terminal sends Ctrl-C to the whole group, the child included: passed on, it would count as the second one.
  process.on('SIGINT', () => (process.stdin.isTTY ? undefined : child.kill('SIGINT')))
  child.on('error', (error) => {
    process.stderr.write(`loraplex: could not start ${node}: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal) {
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
        process.removeAllListeners(name)
      }
      process.kill(process.pid, signal)
      return
    }
    process.exit(code ?? 1)
  })
}

export { root }
