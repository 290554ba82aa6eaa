import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { BugError } from '../errors.ts'
import { groupMembers, identify, isRunning, signalGroup } from './process-identity.ts'
import type { ProcessIdentity } from './process-identity.ts'

const identity = z.object({
  pid: z.number().int().min(2),
  startTime: z.string(),
  bootId: z.string(),
})
const content = z.object({ engine: identity, owner: identity })

/** Where the engines of one state folder keep their pid files and logs. */
export function enginesFolder(stateFolder: string): string {
  return join(stateFolder, 'engines')
}

/** Says that the engine `name` runs as `pid`, founder of its process group, and that this process looks after it. */
export function writePidFile(stateFolder: string, name: string, pid: number): void {
  const engine = identify(pid)
  const owner = identify(process.pid)
  if (engine === undefined || owner === undefined) {
    return // it ended at once, or this is no Linux
  }
  const path = pidFile(stateFolder, name)
  mkdirSync(enginesFolder(stateFolder), { recursive: true })
  // Renamed into place: a half-written file would leave an orphan for ever.
  writeFileSync(`${path}.new`, JSON.stringify({ engine, owner }))
  renameSync(`${path}.new`, path)
}

export function removePidFile(stateFolder: string, name: string): void {
  rmSync(pidFile(stateFolder, name), { force: true })
}

/**
 * Ends the engines that a killed process left behind under this state folder, and answers their names. One whose owner
 * still runs is left alone, and so is whatever reuses the id of an engine that is gone.
 */
export async function reapOrphans(
  stateFolder: string,
  graceMs = 5_000,
): Promise<readonly string[]> {
  const reaped = await Promise.all(
    pidFiles(stateFolder).map(async (name) => {
      const found = readPidFile(stateFolder, name)
      if (found !== undefined && isRunning(found.owner)) {
        return []
      }
      const wasRunning = found !== undefined && (await endGroup(found.engine, graceMs))
      removePidFile(stateFolder, name)
      return wasRunning ? [name] : []
    }),
  )
  return reaped.flat()
}

/** SIGTERM to the founder, SIGKILL to whoever of the group is left after the grace. False when nobody was there. */
async function endGroup(leader: ProcessIdentity, graceMs: number): Promise<boolean> {
  if (groupMembers(leader).length === 0) {
    return false
  }
  if (isRunning(leader)) {
    process.kill(leader.pid, 'SIGTERM')
  }
  const deadline = Date.now() + graceMs
  // Once the founder is gone, nobody drains any more: what is left of the group only holds memory.
  while (isRunning(leader) && Date.now() < deadline) {
    await delay(50)
  }
  // Looked at again right before: only members that are still this group's may be killed.
  if (groupMembers(leader).length > 0) {
    signalGroup(leader.pid, 'SIGKILL')
    while (groupMembers(leader).length > 0) {
      await delay(20)
    }
  }
  return true
}

function readPidFile(stateFolder: string, name: string): z.infer<typeof content> | undefined {
  try {
    return content.parse(JSON.parse(readFileSync(pidFile(stateFolder, name), 'utf8')))
  } catch {
    return undefined
  }
}

function pidFiles(stateFolder: string): readonly string[] {
  try {
    return readdirSync(enginesFolder(stateFolder))
      .filter((file) => file.endsWith('.pid'))
      .map((file) => file.slice(0, -'.pid'.length))
  } catch {
    return []
  }
}

function pidFile(stateFolder: string, name: string): string {
  if (!/^[\w.-]+$/.test(name)) {
    throw new BugError(`An engine's name must do as a file name: ${name}`)
  }
  return join(enginesFolder(stateFolder), `${name}.pid`)
}
