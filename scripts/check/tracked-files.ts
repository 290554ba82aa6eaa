import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SourceFile } from './source-file.ts'

/** Text files that git tracks or would take, as they lie in the working copy. */
export function trackedFiles(root: string): readonly SourceFile[] {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const names = execFileSync('git', list, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 26 })
  return [...new Set(names.split('\0').filter((name) => name !== ''))].flatMap((path) => {
    const text = readText(join(root, path))
    return text === undefined ? [] : [{ path, text }]
  })
}

/** Undefined for what is binary, deleted in the working copy, or no file. */
function readText(path: string): string | undefined {
  try {
    const bytes = readFileSync(path)
    return bytes.subarray(0, 8192).includes(0) ? undefined : bytes.toString('utf8')
  } catch {
    return undefined
  }
}
