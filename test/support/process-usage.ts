import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'

export interface ProcessUsage {
  readonly rssMb: number
  readonly peakMb: number
  readonly cpu: number
}

/** Of a process that runs. */
export function usageOf(pid: number): ProcessUsage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  const megabytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024
  // User and system, in hundredths of a second.
  const cpu = (Number(fields[11]) + Number(fields[12])) / 100
  return { rssMb: megabytes('VmRSS'), peakMb: megabytes('VmHWM'), cpu }
}

/** Children of this process that the API server is made of. */
export function serverPids(): readonly number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [, name, parent] = /\((.*)\) \S (\d+)/.exec(stat) ?? []
      return Number(parent) === process.pid && (name === 'kube-apiserver' || name === 'etcd')
    } catch {
      return false // it ended meanwhile
    }
  })
}
