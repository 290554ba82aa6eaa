// What tests of the `cluster` project do with the cluster: kubectl and helm, as a user has them.
import { spawn } from 'node:child_process'
import { inject } from 'vitest'
import type { ProvidedCluster } from './cluster-setup.ts'
import { shell } from './cluster-shell.ts'

/** The cluster of this run. */
export function theCluster(): ProvidedCluster {
  return inject('cluster')
}

export async function kubectl(...args: readonly string[]): Promise<string> {
  return await shell('kubectl', ...args)
}

/** `kubectl get … -o json`. */
// Whoever asks knows what comes; tests read deep into it.
// oxlint-disable-next-line typescript/no-explicit-any
export async function kubectlGet(...args: readonly string[]): Promise<any> {
  return JSON.parse(await kubectl('get', ...args, '--output=json'))
}

/** Server-side apply of whole objects. */
export async function kubectlApply(...objects: readonly object[]): Promise<string> {
  const list = { apiVersion: 'v1', kind: 'List', items: objects }
  return await withInput(JSON.stringify(list), 'kubectl', 'apply', '--server-side', '-f', '-')
}

export async function helm(...args: readonly string[]): Promise<string> {
  return await shell('helm', ...args)
}

/** A namespace that refuses every pod which is not restricted. */
export function restrictedNamespace(name: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } },
  }
}

/** What restricted pod security asks of a container, and a root file system that nobody writes. */
export const restrictedContainer = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  readOnlyRootFilesystem: true,
} as const

/** What it asks of the pod. The user is not named: the image has to say that it is none. */
export const restrictedPod = {
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
} as const

export interface Forwarded extends AsyncDisposable {
  readonly url: string
}

/** `kubectl port-forward` to `service/name`, `pod/name` or `deployment/name`, on a free port. */
export async function portForward(
  namespace: string,
  target: string,
  port: number,
): Promise<Forwarded> {
  const args = ['--namespace', namespace, 'port-forward', target, `:${port}`]
  const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<string>((resolve) => child.once('exit', () => resolve('')))
  const localPort = new Promise<string>((resolve, reject) => {
    let words = ''
    const listen = (chunk: Buffer): void => {
      words += chunk.toString()
      const found = /^Forwarding from 127\.0\.0\.1:(\d+)/m.exec(words)?.[1]
      if (found !== undefined) {
        resolve(found)
      }
    }
    child.stdout.on('data', listen)
    child.stderr.on('data', listen)
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`kubectl port-forward ended: ${words}`)))
  })
  return {
    url: `http://127.0.0.1:${await localPort}`,
    [Symbol.asyncDispose]: async () => {
      child.kill()
      await ended
    },
  }
}

async function withInput(
  input: string,
  command: string,
  ...args: readonly string[]
): Promise<string> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
    child.stdin.end(input)
  })
  if (code !== 0) {
    throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${errors}`)
  }
  return output
}
