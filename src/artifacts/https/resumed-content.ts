import { setTimeout as delay } from 'node:timers/promises'
import { DownloadError } from './download-error.ts'
import type { GuardedAnswer, GuardedHttp } from './guarded-http.ts'

export interface ResumeOptions {
  readonly signal?: AbortSignal | undefined
  /** More than this is not read. */
  readonly maxBytes: number
  /** Connections that may break without a byte in between. */
  readonly maxBreaks?: number
  readonly firstDelayMs?: number
}

interface Progress {
  done: number
  /** What makes a rest be of the same content: ETag, else Last-Modified. */
  validator: string | undefined
  total: number | undefined
}

/**
 * The bytes of a URL from first to last, over as many connections as it takes. A rest is only taken from the very
 * content that the beginning was of. @throws DownloadError; the signal's reason where it aborts.
 */
export async function* resumedContent(
  http: GuardedHttp,
  url: string,
  options: ResumeOptions,
): AsyncGenerator<Uint8Array> {
  const { signal, maxBytes, maxBreaks = 4, firstDelayMs = 250 } = options
  const progress: Progress = { done: 0, validator: undefined, total: undefined }
  for (let breaks = 0; ;) {
    const before = progress.done
    try {
      const body = await open(http, url, progress, signal)
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        progress.done += chunk.byteLength
        if (progress.done > maxBytes) {
          throw tooLarge(maxBytes)
        }
        yield chunk
      }
      if (progress.total === undefined || progress.done === progress.total) {
        return
      }
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof DownloadError && error.problem.reason !== 'SourceUnreachable') {
        throw error
      }
      if (error instanceof DownloadError && before === 0 && progress.done === 0) {
        throw error
      }
    }
    breaks = progress.done > before ? 0 : breaks + 1
    if (breaks > maxBreaks || (progress.done > 0 && progress.validator === undefined)) {
      throw new DownloadError(
        'SourceUnreachable',
        `The connection broke off after ${progress.done} bytes. The fetch is tried again.`,
        true,
      )
    }
    await delay(firstDelayMs * 2 ** breaks, undefined, signal === undefined ? {} : { signal })
  }
}

async function open(
  http: GuardedHttp,
  url: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<GuardedAnswer['body']> {
  const { done, validator } = progress
  const range: Readonly<Record<string, string>> =
    done === 0 || validator === undefined ? {} : { range: `bytes=${done}-`, 'if-range': validator }
  const answer = await http.get(url, range, signal)
  try {
    take(answer, progress)
    return answer.body
  } catch (error) {
    answer.body.on('error', () => undefined).destroy()
    throw error
  }
}

function take({ status, headers }: GuardedAnswer, progress: Progress): void {
  const { done } = progress
  const encoding = headers['content-encoding']
  if (status === 200 && (encoding === undefined || encoding === 'identity')) {
    if (done > 0) {
      throw changed()
    }
    const length = headers['content-length']
    progress.total = typeof length === 'string' ? Number(length) : undefined
    progress.validator = validatorOf(headers)
    return
  }
  if (status === 206 && done > 0) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(headers['content-range']))
    const total = range?.[2] === '*' ? progress.total : Number(range?.[2])
    if (Number(range?.[1]) !== done || total !== progress.total) {
      throw changed()
    }
    return
  }
  throw refusalOf(status)
}

function validatorOf(headers: GuardedAnswer['headers']): string | undefined {
  const { etag, 'last-modified': modified } = headers
  // A weak one stands for contents that are not the same byte for byte.
  if (typeof etag === 'string' && !etag.startsWith('W/')) {
    return etag
  }
  return typeof modified === 'string' ? modified : undefined
}

function refusalOf(status: number): DownloadError {
  if (status === 404 || status === 410) {
    return new DownloadError('SourceNotFound', `The server of the source answers ${status}.`, false)
  }
  if (status === 401 || status === 403) {
    const words = `The server of the source answers ${status}. Check the Secret that source.secretRef names; the fetch is tried again.`
    return new DownloadError('SourceDenied', words, true)
  }
  if (status === 416 || status === 206) {
    return changed()
  }
  const words = `The server of the source answers ${status} in place of the file. The fetch is tried again.`
  return new DownloadError('SourceUnreachable', words, true)
}

function changed(): DownloadError {
  return new DownloadError(
    'SourceChanged',
    'The file changed on its server while it was fetched. The fetch is tried again.',
    true,
  )
}

function tooLarge(maxBytes: number): DownloadError {
  return new DownloadError(
    'AdapterTooLarge',
    `The source sends more than ${maxBytes} bytes.`,
    false,
  )
}
