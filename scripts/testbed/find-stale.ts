import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ProgramGroup } from './programs.ts'

/** The names of a group whose files are not there, or are of another version. */
export async function findStale(folder: string, group: ProgramGroup): Promise<readonly string[]> {
  const stale = await Promise.all(
    group.names.map(async (name) => ((await isCurrent(join(folder, name), group)) ? [] : [name])),
  )
  return stale.flat()
}

/** Programs say themselves what they were made of, so there is no stamp that could lie. */
async function isCurrent(path: string, { module, mark }: ProgramGroup): Promise<boolean> {
  const program = await readFile(path).catch(() => undefined)
  if (program === undefined) {
    return false
  }
  const isOurs = module === undefined || program.includes(`\t${module.path}\t${module.version}\t`)
  return isOurs && (mark === undefined || program.includes(mark))
}
