import { JsonObjectReader, type JsonObjectText } from './json-object.ts'

interface Reading {
  readonly reader: JsonObjectReader
  readonly done: (error: Error | null, json?: JsonObjectText) => void
}

/**
 * Large bodies are read a step each in turn, one step in a turn of the event loop: however many there are, whoever has a
 * small request waits for one step.
 */
export class JsonTurns {
  readonly #readings: Reading[] = []
  #isAwake = false

  /** `done` gets a LoraplexError where it is no JSON object. */
  read(body: Buffer, done: Reading['done']): void {
    this.#readings.push({ reader: new JsonObjectReader(body), done })
    this.#wake()
  }

  #wake(): void {
    if (!this.#isAwake && this.#readings.length > 0) {
      this.#isAwake = true
      setImmediate(() => this.#turn())
    }
  }

  #turn(): void {
    this.#isAwake = false
    const reading = this.#readings.shift()
    if (reading === undefined) {
      return
    }
    const { reader, done } = reading
    try {
      if (reader.step()) {
        setImmediate(done, null, reader)
      } else {
        this.#readings.push(reading)
      }
    } catch (error) {
      done(error as Error)
    }
    this.#wake()
  }
}
