import { spawn } from 'node:child_process'
import { join } from 'node:path'
import process from 'node:process'

export interface StepResult {
  readonly passed: boolean
  /** Shown only when it failed. */
  readonly output: string
}

/** Runs a script of this checkout on this Node; its words are kept until they are needed. */
export async function runTool(
  root: string,
  script: string,
  args: readonly string[],
): Promise<StepResult> {
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { passed: code === 0, output: Buffer.concat(chunks).toString('utf8') }
}
