import type { AdapterFileName } from './adapter-files.ts'

/** What `write` stopped at. */
export type WriteOutcome = 'Written' | 'TooLarge'

/** Where an adapter's two files go: a folder on its way into the store, or a connection. */
export interface AdapterSink {
  /** Of what is written. */
  readonly sizeBytes: number
  /** SHA-256 of a file written here, in hex. */
  digestOfFile(name: AdapterFileName): string | undefined
  /** Stops at `maxBytes`; `sizeBytes` is what the content should come to. */
  write(
    name: AdapterFileName,
    content: AsyncIterable<Uint8Array>,
    maxBytes: number,
    sizeBytes: number,
  ): Promise<WriteOutcome>
}
