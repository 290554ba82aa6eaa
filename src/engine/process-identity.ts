import { readFileSync, readdirSync } from 'node:fs'

/**
 * One process, for all time: a process id is reused, a process id with its start time and boot is not.
 * Linux only; elsewhere `identify` knows no process, and nothing is ever taken for an orphan.
 */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot, field 22 of `/proc/PID/stat`. */
  readonly startTime: string
  readonly bootId: string
}

/** The process that has this id now; undefined when there is none, or it is only a zombie. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readStat(pid)
  return stat === undefined || stat.state === 'Z'
    ? undefined
    : { pid, startTime: stat.startTime, bootId: bootId() }
}

/** Whether this very process still runs, not merely another one under its id. */
export function isRunning(identity: ProcessIdentity): boolean {
  const now = identify(identity.pid)
  return now?.startTime === identity.startTime && now.bootId === identity.bootId
}

/**
 * The live members of the process group that `leader` founded, also when the leader is gone. An id is not given out
 * again while a group has it, so members under a missing leader are its own; under another leader there are none left.
 */
export function groupMembers(leader: ProcessIdentity): readonly number[] {
  const now = identify(leader.pid)
  const isOurs =
    leader.bootId === bootId() && (now === undefined || now.startTime === leader.startTime)
  if (!isOurs) {
    return []
  }
  return processIds().filter((pid) => {
    const stat = readStat(pid)
    return stat !== undefined && stat.group === leader.pid && stat.state !== 'Z'
  })
}

/** Signals the whole group; false when nobody of it is left. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-leaderPid, signal)
    return true
  } catch {
    return false
  }
}

interface Stat {
  readonly state: string
  readonly group: number
  readonly startTime: string
}

function readStat(pid: number): Stat | undefined {
  const text = readText(`/proc/${pid}/stat`)
  // The command in parentheses may itself hold spaces and parentheses: fields are counted after the last one.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state, , group] = fields ?? []
  const startTime = fields?.[19]
  return state === undefined || startTime === undefined
    ? undefined
    : { state, group: Number(group), startTime }
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
}

function processIds(): readonly number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
