import { Worker } from 'node:worker_threads'
import { brokenText, type TextReading } from './read-document.ts'

/** A plain 4 MiB takes about 5 s; some texts take the parser minutes. */
const timeoutMs = 20_000
const maxHeapMb = 1024

/** Reads a document in a thread, so that requests which this process serves meanwhile do not notice. */
export async function readApart(text: string, signal?: AbortSignal): Promise<TextReading> {
  const { promise, resolve } = Promise.withResolvers<TextReading>()
  const worker = new Worker(workerUrl(), {
    workerData: text,
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMb },
  })
  const giveUp = (): void => {
    resolve(brokenText('takes too long to be read; split it with lines ---'))
  }
  const timer = setTimeout(giveUp, timeoutMs)
  signal?.addEventListener('abort', giveUp, { once: true })
  worker.once('message', resolve)
  worker.once('error', giveUp)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
    await worker.terminate()
  }
}

function workerUrl(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./document-worker.${extension}`, import.meta.url)
}
