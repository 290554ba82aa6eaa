import { mix } from '../../../src/sim/hash.ts'
import { secretOf } from '../builders.ts'
import { bodyCase, type BodyCase } from './body-cases.ts'
import { Dice } from './dice.ts'
import { goodRequest } from './good-request.ts'
import { httpCase, type HttpCase } from './http-cases.ts'
import {
  faultOf,
  isOfEngine,
  isRefusalOfEngine,
  isPlainObject,
  topLevelKeys,
} from './judge-answer.ts'
import { RawConnection, type RawAnswer } from './raw-connection.ts'

export interface FuzzFault {
  readonly number: number
  readonly kind: string
  readonly fault: string
  readonly sent: string
}

/** Long, because the machine may be busy; nothing waits for it where all is well. */
const patienceMs = 30_000
/** Share of cases that are about bodies, many on a connection; the others have one each. */
const bodyShare = 0.8

/** Sends cases by their numbers, and judges every answer. The same seed and number make the same case. */
export class Fuzzer {
  readonly counts = new Map<string, Map<string, number>>()
  readonly faults: FuzzFault[] = []
  /** Answers that the engine gave, and refusals that it gave. */
  fromEngine = 0
  refusedByEngine = 0
  /** Milliseconds that good requests beside took. */
  readonly beside: number[] = []
  readonly #port: number
  readonly #seed: number

  constructor(port: number, seed: number) {
    this.#port = port
    this.#seed = seed
  }

  /** Cases `from` up to `to`, on so many connections at once, and a good request again and again beside them. */
  async run(from: number, to: number, connections: number): Promise<void> {
    let next = from
    let over = false
    const worker = async (): Promise<void> => {
      let connection: RawConnection | undefined
      while (next < to) {
        const number = next
        next += 1
        connection = await this.#one(number, connection)
      }
      connection?.destroy()
    }
    const good = this.#goodOnes(() => over)
    await Promise.all(Array.from({ length: connections }, worker))
    over = true
    await good
  }

  async #one(
    number: number,
    connection: RawConnection | undefined,
  ): Promise<RawConnection | undefined> {
    const dice = new Dice(mix(this.#seed, number))
    const isBody = dice.chance(bodyShare)
    const made = isBody ? bodyCase(dice) : httpCase(dice)
    try {
      if ('body' in made) {
        return await this.#sendBody(number, made, connection)
      }
      await this.#sendHttp(number, made)
    } catch (error) {
      this.#note(number, made.kind, String(error), 'bytes' in made ? made.bytes : made.body)
    }
    return connection
  }

  async #sendBody(
    number: number,
    { kind, path, body }: BodyCase,
    kept: RawConnection | undefined,
  ): Promise<RawConnection | undefined> {
    const connection = kept ?? (await RawConnection.open(this.#port))
    const head = goodRequest(path, '').replace('length: 0', `length: ${body.length}`)
    connection.write(Buffer.concat([Buffer.from(head), body]))
    const answer = await connection.next(patienceMs)
    if (answer === undefined) {
      connection.destroy()
      this.#note(number, kind, 'no answer', body)
      return undefined
    }
    this.#count(kind, answer)
    const isAnthropic = answer.headers['request-id'] !== undefined
    const fault =
      faultOf(answer) ??
      (isAnthropic === path.startsWith('/v1/messages') ? undefined : 'another dialect') ??
      (answer.status === 200 ? faultOfTaken(body) : undefined)
    if (fault !== undefined) {
      this.#note(number, kind, `${fault} (${path})`, body)
    }
    if (!connection.closed && answer.headers['connection'] !== 'close') {
      return connection
    }
    connection.destroy()
    return undefined
  }

  async #sendHttp(number: number, { kind, bytes, refused, leave }: HttpCase): Promise<void> {
    const connection = await RawConnection.open(this.#port)
    try {
      if (leave === undefined) {
        connection.write(bytes)
        await this.#readAll(number, kind, connection, refused, bytes)
      } else {
        connection.write(leave < 0 ? bytes.subarray(0, -leave) : bytes)
        await connection.untilBytes(leave, 20)
        this.#countAs(kind, 'left')
      }
    } finally {
      connection.destroy()
    }
  }

  /** Everything that comes back, up to the answer to a request of ours behind it, or the connection's end. */
  async #readAll(
    number: number,
    kind: string,
    connection: RawConnection,
    refused: boolean,
    bytes: Buffer,
  ): Promise<void> {
    // What is refused may well wait for more of a body; what is served must have its time.
    let answer = await connection.next(refused ? 60 : patienceMs)
    if (answer === undefined) {
      connection.finish()
      answer = await connection.next(patienceMs)
    }
    if (answer === undefined) {
      this.#countAs(kind, connection.closed ? 'closed' : 'silent')
      if (!connection.closed || !mayClose.has(kind)) {
        this.#note(number, kind, 'no answer', bytes)
      }
      return
    }
    const name = `behind-${number}`
    connection.write(
      `GET /v1/models/${name} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer ${secretOf('acme')}\r\n\r\n`,
    )
    while (answer !== undefined && !answer.body.includes(name)) {
      this.#count(kind, answer)
      const fault = faultOf(answer) ?? (refused && answer.status < 400 ? 'it was taken' : undefined)
      if (fault !== undefined) {
        this.#note(number, kind, fault, bytes)
      }
      answer = await connection.next(refused ? 60 : 2000)
    }
    if (answer === undefined && connection.rest !== '') {
      this.#note(number, kind, `half an answer: ${connection.rest.slice(0, 100)}`, bytes)
    }
  }

  async #goodOnes(isOver: () => boolean): Promise<void> {
    let connection = await RawConnection.open(this.#port)
    while (!isOver()) {
      const startedAt = performance.now()
      connection.write(goodRequest())
      const answer = await connection.next(patienceMs)
      this.beside.push(performance.now() - startedAt)
      if (answer?.status === 200) {
        this.#count('good one beside', answer)
      } else {
        this.#note(
          -1,
          'good one beside',
          `status ${answer?.status}: ${answer?.body}`,
          Buffer.alloc(0),
        )
      }
      if (connection.closed) {
        connection = await RawConnection.open(this.#port)
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    connection.destroy()
  }

  #count(kind: string, answer: RawAnswer): void {
    this.fromEngine += Number(isOfEngine(answer))
    this.refusedByEngine += Number(isRefusalOfEngine(answer))
    this.#countAs(kind, String(answer.status))
  }

  #countAs(kind: string, end: string): void {
    const ends = this.counts.get(kind) ?? new Map<string, number>()
    this.counts.set(kind, ends.set(end, (ends.get(end) ?? 0) + 1))
  }

  #note(number: number, kind: string, fault: string, sent: Buffer): void {
    if (this.faults.length < 100) {
      this.faults.push({ number, kind, fault, sent: sent.toString('latin1').slice(0, 300) })
    }
  }
}

/** To these Node may say nothing at all: there is no request to answer. */
const mayClose: ReadonlySet<string> = new Set(['method', 'noise', 'HTTP/2', 'short body'])

function faultOfTaken(body: Buffer): string | undefined {
  if (!isPlainObject(body)) {
    return 'a body that is no JSON object was taken'
  }
  const keys = topLevelKeys(body.toString('utf8'))
  return new Set(keys).size === keys.length ? undefined : 'a body with a key twice was taken'
}
