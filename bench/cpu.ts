/** CPU time and memory of a process and everything below it, from /proc. Linux only, like the yardsticks. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

interface ProcessStat {
  readonly parent: number
  /** User and system time of all its threads, dead ones included, and of the children it has reaped. */
  readonly ticks: number
  readonly rssPages: number
}

/** One look at a process tree. Times are whole clock ticks (10 ms on common kernels): measure over seconds. */
export interface TreeSample {
  readonly cpuSeconds: number
  readonly rssBytes: number
  readonly pids: readonly number[]
}

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const pageBytes = Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' }))

/** Parses `/proc/<pid>/stat`; the command's name may hold spaces and brackets, so fields count from its last `)`. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  return {
    parent: field(4),
    ticks: field(14) + field(15) + field(16) + field(17),
    rssPages: field(24),
  }
}

function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return undefined // gone since it was listed
  }
}

/** `root` and its living descendants. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry)
    const stat = Number.isInteger(pid) ? readStat(pid) : undefined
    if (stat !== undefined) {
      children.set(stat.parent, [...(children.get(stat.parent) ?? []), pid])
    }
  }
  const tree = [root]
  for (const pid of tree) {
    tree.push(...(children.get(pid) ?? []))
  }
  return tree
}

/** CPU seconds so far and resident bytes now of `root` and its descendants. */
export function sampleTree(root: number): TreeSample {
  const pids = processTree(root)
  const stats = pids.map(readStat).filter((stat) => stat !== undefined)
  return {
    cpuSeconds: stats.reduce((sum, stat) => sum + stat.ticks, 0) / ticksPerSecond,
    rssBytes: stats.reduce((sum, stat) => sum + stat.rssPages, 0) * pageBytes,
    pids,
  }
}

export function isAlive(pid: number): boolean {
  return readStat(pid) !== undefined
}
