import { setTimeout as delay } from 'node:timers/promises'
import type { GatewayMessage } from '../api/gateway-protocol.ts'
import { BearerPool } from './bearer-pool.ts'
import { jsonLines } from './json-lines.ts'
import { WireError } from './wire-error.ts'

export const demandPath = '/v1/demand'

export interface DemandClientOptions {
  /** `http://10.0.3.7:8090`. */
  readonly url: string
  /** `controllerToken` of the installation. */
  readonly token: string
  readonly onMessage: (message: GatewayMessage) => void
  /** The stream broke off; it is opened again. */
  readonly onLost?: (error: unknown) => void
  /** Gateways speak every second; one that says nothing for so long is asked anew. */
  readonly silenceMs?: number
  readonly firstRetryMs?: number
  readonly lastRetryMs?: number
}

export interface DemandClient {
  close(): Promise<void>
}

/** Follows what one gateway says of demand and of what it can route, for as long as it is not closed. */
export function createDemandClient(options: DemandClientOptions): DemandClient {
  const closing = new AbortController()
  const timeoutMs = options.silenceMs ?? 5000
  const pool = new BearerPool({
    url: options.url,
    token: options.token,
    connections: 1,
    timeoutMs,
  })
  const following = follow(pool, options, closing.signal)
  return {
    close: async () => {
      closing.abort()
      await pool.close()
      await following
    },
  }
}

async function follow(
  pool: BearerPool,
  options: DemandClientOptions,
  signal: AbortSignal,
): Promise<void> {
  const { firstRetryMs = 100, lastRetryMs = 5000 } = options
  let failures = 0
  while (!signal.aborted) {
    try {
      await read(pool, options, signal, () => {
        failures = 0
      })
    } catch (error) {
      if (!signal.aborted) {
        options.onLost?.(error)
      }
    }
    const backoffMs = Math.min(firstRetryMs * 2 ** Math.min(failures, 20), lastRetryMs)
    failures += 1
    await delay(backoffMs, undefined, { signal }).catch(() => undefined)
  }
}

async function read(
  pool: BearerPool,
  options: DemandClientOptions,
  signal: AbortSignal,
  onHello: () => void,
): Promise<void> {
  const { statusCode, body } = await pool.stream(demandPath, options.silenceMs ?? 5000, signal)
  try {
    if (statusCode !== 200) {
      throw new WireError('Refused', `The gateway answers ${statusCode}.`, statusCode)
    }
    for await (const value of jsonLines(body)) {
      const message = value as GatewayMessage
      options.onMessage(message)
      if (message.type === 'hello') {
        onHello()
      }
    }
    throw new WireError('Unreachable', 'The gateway ended the stream.')
  } finally {
    body.destroy()
  }
}
