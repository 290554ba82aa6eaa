import { parentPort } from 'node:worker_threads'
import { BugError } from '../errors.ts'
import { BaseModelCache } from './base-model.ts'
import { preflight } from './preflight.ts'
import { problem } from './problems.ts'
import type { PreflightOptions, PreflightVerdict } from './types.ts'
import { WeightScanner } from './weight-scan.ts'

export interface PreflightJob {
  readonly path: string
  readonly options: PreflightOptions
}

const port = parentPort
if (port === null) {
  throw new BugError('preflight-worker runs in a worker thread only')
}

const tools = { bases: new BaseModelCache(), scanner: new WeightScanner() }

port.on('message', ({ path, options }: PreflightJob) => {
  port.postMessage(judge(path, options))
})

function judge(path: string, options: PreflightOptions): PreflightVerdict {
  try {
    return preflight(path, options, tools)
  } catch (error) {
    // The code alone: Node's message carries the server's path.
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'a bug'
    return {
      verdict: 'Failed',
      problem: problem(
        'PreflightFailed',
        `The adapter's files or its base could not be read (${code}). The check is tried again.`,
      ),
    }
  }
}
