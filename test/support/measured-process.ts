import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import process from 'node:process'

export interface MeasuredProcess {
  readonly pid: number
  /** Fields of the line that tells it is up. */
  readonly said: Readonly<Record<string, string>>
  end(): Promise<void>
}

/** @param flags of Node, as the chart gives them to that process. */
export async function startMeasured(
  script: string,
  flags: readonly string[],
  profile: string | undefined,
  upWords: string,
): Promise<MeasuredProcess> {
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]
  const child = spawn(
    process.execPath,
    [...process.execArgv, ...flags, ...profiling, '--input-type=module', '-e', script],
    { stdio: ['ignore', 'inherit', 'pipe'] },
  )
  const said = await saidBy(child, upWords)
  return {
    pid: child.pid ?? 0,
    said,
    end: async () => {
      if (child.exitCode === null) {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }
    },
  }
}

async function saidBy(child: ChildProcess, words: string): Promise<Record<string, string>> {
  let text = ''
  return await new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`it ended: ${text}`)))
    let isUp = false
    child.stderr?.on('data', (chunk: Buffer) => {
      if (isUp) {
        process.stderr.write(chunk)
        return
      }
      text += String(chunk)
      const line = text.split('\n').find((one) => one.includes(words) && one.endsWith('}'))
      if (line !== undefined) {
        isUp = true
        resolve(JSON.parse(line) as Record<string, string>)
      }
    })
  })
}
