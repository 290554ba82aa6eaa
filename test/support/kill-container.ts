import { readdir, readFile } from 'node:fs/promises'
import process from 'node:process'
import type { KubeJson } from './product.ts'

/** SIGKILL to every process of a pod's container, as the kernel does when memory runs out. On a node of our own only. */
export async function killContainer(pod: KubeJson, container: string): Promise<void> {
  const statuses: readonly KubeJson[] = [
    ...(pod.status.containerStatuses ?? []),
    ...(pod.status.initContainerStatuses ?? []),
  ]
  const id = String(statuses.find(({ name }) => name === container)?.containerID).split('//')[1]
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const groups = pids.map(async (pid) => ({
    pid: Number(pid),
    group: await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => ''),
  }))
  const own = (await Promise.all(groups)).filter(
    ({ group }) => id !== undefined && group.includes(id),
  )
  if (own.length === 0) {
    throw new Error(`no process of ${pod.metadata.name}/${container} (${id})`)
  }
  for (const { pid } of own) {
    process.kill(pid, 'SIGKILL')
  }
}
