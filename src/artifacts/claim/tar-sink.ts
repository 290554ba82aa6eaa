import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { pack } from 'tar-stream'
import { claimEntries, type ClaimOutcome } from '../../wire/claim-protocol.ts'
import type { AdapterFileName } from '../adapter-files.ts'
import type { AdapterSink, WriteOutcome } from '../adapter-sink.ts'

/** An adapter on its way over a connection, sent as it is read. */
export class TarSink implements AdapterSink {
  /** What goes out. */
  readonly stream: Readable
  readonly #tar = pack()
  readonly #digests = new Map<AdapterFileName, string>()
  #sizeBytes = 0

  constructor() {
    this.stream = Readable.from(this.#tar, { objectMode: false })
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  digestOfFile(name: AdapterFileName): string | undefined {
    return this.#digests.get(name)
  }

  /** A size that turns out another breaks the stream off. */
  async write(
    name: AdapterFileName,
    content: AsyncIterable<Uint8Array>,
    maxBytes: number,
    sizeBytes: number,
  ): Promise<WriteOutcome> {
    if (sizeBytes > maxBytes) {
      return 'TooLarge'
    }
    const hash = createHash('sha256')
    const pieces = async function* () {
      for await (const piece of content) {
        hash.update(piece)
        // A piece is valid until the next, and is sent later.
        yield Buffer.from(piece)
      }
    }
    await pipeline(pieces, this.#tar.entry({ name, size: sizeBytes }))
    this.#digests.set(name, hash.digest('hex'))
    this.#sizeBytes += sizeBytes
    return 'Written'
  }

  /** As it lies there: whoever gets it takes it apart. */
  async writeArchive(content: AsyncIterable<Uint8Array>, sizeBytes: number): Promise<void> {
    await pipeline(content, this.#tar.entry({ name: claimEntries.archive, size: sizeBytes }))
  }

  /** Nothing comes after it. */
  end(outcome: ClaimOutcome): void {
    this.#tar.entry({ name: claimEntries.outcome }, JSON.stringify(outcome))
    this.#tar.finalize()
  }

  fail(error: Error | undefined): void {
    this.#tar.destroy(error)
  }
}
