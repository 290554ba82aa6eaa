import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { DesiredRequest, ResidencyState } from '../../src/api/agent-protocol.ts'

/** Has at once what it is told to load, and says only what changes. */
export class LightAgent {
  readonly address: string
  bytes = 0
  readonly #server: Server
  readonly #streams = new Set<ServerResponse>()
  readonly #loaded = new Set<string>()
  readonly #timer: NodeJS.Timeout
  #replica = ''

  constructor(address: string) {
    this.address = address
    this.#server = createServer((incoming, response) => {
      if (incoming.url === '/v1/state') {
        this.#stream(response)
        return
      }
      const pieces: Buffer[] = []
      incoming.on('data', (piece: Buffer) => pieces.push(piece))
      incoming.on('end', () => {
        const body = Buffer.concat(pieces).toString()
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(this.#answer(incoming.url ?? '', body)))
      })
    })
    this.#timer = setInterval(() => this.#say(''), 4000)
  }

  async listen(replica: string): Promise<void> {
    this.#replica = replica
    this.#server.listen(8100, this.address)
    await once(this.#server, 'listening')
  }

  close(): void {
    clearInterval(this.#timer)
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #answer(url: string, body: string): object {
    if (url === '/v1/lease') {
      return { granted: [], reclaimed: [], ttlMs: 5000 }
    }
    this.bytes += body.length
    const { term, sequence, entries, change } = JSON.parse(body) as DesiredRequest
    const left = new Set(change === undefined ? this.#loaded : change.gone)
    for (const { revision, want } of entries) {
      if (want !== 'Loaded') {
        left.add(revision)
        continue
      }
      left.delete(revision)
      if (!this.#loaded.has(revision)) {
        this.#loaded.add(revision)
        this.#say(residency(revision, 'Routable'))
      }
    }
    for (const revision of left) {
      if (this.#loaded.delete(revision)) {
        this.#say(residency(revision, 'Absent'))
      }
    }
    return { accepted: true, term, sequence }
  }

  #stream(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    this.#streams.add(response)
    response.on('close', () => this.#streams.delete(response))
    const hello = {
      type: 'hello',
      replica: this.#replica,
      engineProcess: `of ${this.#replica}`,
      engineVersion: '0.32.0',
      simulated: true,
    }
    const load = {
      type: 'load',
      ready: true,
      detail: '',
      draining: false,
      running: 0,
      waiting: 0,
      kvCacheUsage: 0,
      slots: { total: 1000, used: 0 },
    }
    const resident = [...this.#loaded].map((revision) => residency(revision, 'Routable'))
    const lines = [JSON.stringify(hello), ...resident, JSON.stringify(load)]
    response.write(`${lines.join('\n')}\n`)
  }

  #say(line: string): void {
    for (const stream of this.#streams) {
      stream.write(`${line}\n`)
    }
  }
}

function residency(revision: string, state: ResidencyState['state']): string {
  return JSON.stringify({ type: 'residency', revision, residency: { state } })
}
