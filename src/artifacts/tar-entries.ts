import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'

export interface TarEntry {
  readonly header: Header
  readonly content: AsyncIterable<Uint8Array>
}

/**
 * What another of our processes sends as a tar, one entry after the other; each is read, or the loop over them left, before the
 * next. Whoever leaves the loop ends the stream. Throws what the stream broke off with.
 */
export async function* tarEntries(tar: Readable): AsyncGenerator<TarEntry, void> {
  const reader = extract()
  const feeding = pipeline(tar, reader)
  // Both ends see the same failure; it is told by the reading one.
  feeding.catch(() => undefined)
  for await (const entry of reader) {
    // The stream's own type says less of its pieces than it gives.
    yield { header: entry.header, content: entry as unknown as AsyncIterable<Uint8Array> }
  }
  await feeding
}
