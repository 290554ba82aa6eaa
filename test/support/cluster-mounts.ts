import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { shell } from './cluster-shell.ts'

/** Where a node's programs write whatever they are told. */
const ownFolders = [
  '/run/containerd',
  '/run/netns',
  '/var/lib/cni',
  '/var/lib/kubelet',
  '/var/log/containers',
  '/var/log/pods',
]

/** Logs of containers: a folder a pod. */
export function podLogs(state: string): string {
  return join(state, 'host', 'var', 'log', 'pods')
}

/**
 * Puts folders of ours over them, in this mount namespace: nothing stays on the machine, and two nodes on it do not lend
 * the same addresses out.
 */
export async function setUpMounts(state: string): Promise<void> {
  for (const folder of ownFolders) {
    const ours = join(state, 'host', folder)
    await mkdir(ours, { recursive: true })
    await mkdir(folder, { recursive: true })
    await shell('mount', '--bind', ours, folder)
  }
}
