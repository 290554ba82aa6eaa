// Every refusal that a caller can meet, met by the four vendors' SDKs: their own error class, our code, a request id, and
// as many attempts at the server as the refusal deserves.
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errorTable, LoraplexError, type ErrorCode } from '../../src/errors.ts'
import { Meter } from '../../src/gateway/metering/meter.ts'
import { LedgerError } from '../../src/ledger/ledger-error.ts'
import { MemoryLedger } from '../../src/ledger/memory-ledger.ts'
import { aPool, aTenant, anAdapter, anAdapterStatus } from '../support/builders.ts'
import { eventually } from '../support/eventually.ts'
import { GatewayBed, keyOfTenant, type BedOptions } from '../support/gateway-bed.ts'
import { call } from '../support/http-caller.ts'
import { PythonClient } from '../support/python-client.ts'
import { findPython } from '../support/python.ts'
import {
  anthropicNode,
  anthropicPython,
  openaiNode,
  openaiPython,
  type RefusedClient,
  type SdkOrder,
} from '../support/refused-clients.ts'
import { withRefusals } from '../support/sdk-clients.ts'

interface Row {
  readonly bed?: () => BedOptions
  /** What goes wrong, before anybody asks. */
  readonly arrange?: (bed: GatewayBed) => unknown
  /** What goes wrong once all four have had the beginning of an answer. */
  readonly during?: (bed: GatewayBed) => unknown
  readonly order?: Partial<SdkOrder>
  /** The answer had begun: an error inside a stream. */
  readonly isInStream?: true
  /** Where it is not what the code says everywhere. */
  readonly isRetried?: boolean
  /** What `retry-after-ms` says; an SDK that asks again waits as long. */
  readonly waitMs?: number
}

const acme = (spec: Readonly<Record<string, unknown>>): BedOptions => ({
  objects: [
    ...withRefusals.objects.filter(({ key }) => key !== 'acme'),
    aTenant('acme').with(spec),
  ],
  statuses: withRefusals.statuses,
})

/** Limits by a clock that stands still: no window ends beside the test. */
function atNoon(spec: Readonly<Record<string, unknown>>, offsetMs = 0): BedOptions {
  const now = (): number => Date.UTC(2026, 10, 21, 12) + offsetMs
  const ledger = new MemoryLedger(now)
  const meter = new Meter({ ledger, record: () => undefined, userSecret: Buffer.from('x'), now })
  return { ...acme(spec), gateway: { meter } }
}

class LedgerAway extends MemoryLedger {
  override try(): Promise<never> {
    return Promise.reject(new LedgerError('Unavailable', 'away'))
  }
}

const day = { name: 'daily', window: 'Day', timeZone: 'UTC' }
const hello = { messages: [{ role: 'user', content: 'hello' }], max_tokens: 8 }

/** Uses up what there is to use. */
async function ask(bed: GatewayBed): Promise<number> {
  const body = { ...hello, model: 'tickets' }
  const url = `${bed.url}/v1/chat/completions`
  return (await call(url, { key: keyOfTenant('acme'), body })).status
}

async function spend(bed: GatewayBed): Promise<void> {
  while ((await ask(bed)) === 200) {
    // Until nothing is left.
  }
}

const nested = (levels: number): object => (levels === 0 ? {} : { in: nested(levels - 1) })
const manyHeaders = Object.fromEntries(
  Array.from({ length: 250 }, (_, at) => [`x-many-${at}`, '1']),
)
const long = (words: number) => ({
  more: { messages: [{ role: 'user', content: 'word '.repeat(words) }] },
})
const quickly: BedOptions = { gateway: { maxQueueMs: 200 } }
const inStream = { isInStream: true, order: { stream: true } } as const

/** A new code is not checked until it has rows here: the compiler says so. */
const grid: Readonly<Record<ErrorCode, Readonly<Record<string, Row>> | 'no SDK can meet it'>> = {
  invalid_api_key: { 'an unknown key': { order: { key: 'sk-nobody-nobody-nobody' } } },
  tenant_suspended: { 'a suspended tenant': { order: { key: keyOfTenant('stopped') } } },
  model_not_found: {
    'an unknown model': { order: { model: 'nobody' } },
    'an unknown model, streamed': { order: { model: 'nobody', stream: true } },
  },
  route_not_found: { 'a route that is not here': { order: { isNowhere: true } } },
  invalid_request: {
    'a value out of range': { order: { more: { temperature: 9 } } },
    'an image': {
      order: {
        more: {
          messages: [
            {
              role: 'user',
              content: [{ type: 'image_url', image_url: { url: 'http://127.0.0.1/x.png' } }],
            },
          ],
        },
      },
    },
  },
  invalid_json: { 'a body that is too deep': { order: { more: { metadata: nested(100) } } } },
  forbidden_field: { 'a field of the operator’s': { order: { more: { priority: 1 } } } },
  context_length_exceeded: {
    'a prompt that is too long': { order: long(3000) },
    'a prompt that is too long, streamed': { order: { ...long(3000), stream: true } },
  },
  request_quarantined: {
    'a request that engines died with': {
      arrange: ({ gateway }) => {
        gateway.serve = () => {
          throw new LoraplexError('request_quarantined', 'Two engines died with this request.')
        }
      },
    },
  },
  unsupported_task: { 'a model that embeds': { order: { model: 'vectors' } } },
  unsupported_media_type: {
    'another media type': { order: { headers: { 'content-type': 'text/plain' } } },
  },
  request_too_large: {
    'a body that is too large': { bed: () => ({ bodyLimit: 8192 }), order: long(3000) },
  },
  headers_too_large: { 'too many headers': { order: { headers: manyHeaders } } },
  request_timeout: 'no SDK can meet it',
  queue_share_full: {
    'a full share of the queue': {
      bed: () => ({ gateway: { admission: { maxQueuedPerTenant: 0 } } }),
      arrange: ({ agent }) => agent.down(),
      waitMs: 1000,
    },
  },
  rate_limit_exceeded: {
    'a rate that is used up for a moment': {
      bed: () => atNoon({ limits: { requestsPerMinute: 1 } }, 58_500),
      arrange: ask,
      waitMs: 1500,
    },
    'a rate that is used up until tomorrow': {
      bed: () => atNoon({ limits: { requestsPerDay: 1 } }),
      arrange: ask,
      isRetried: false,
    },
    'a rate that is used up, streamed': {
      bed: () => atNoon({ limits: { requestsPerMinute: 1 } }, 59_000),
      arrange: ask,
      order: { stream: true },
      waitMs: 1000,
    },
  },
  request_over_limit: {
    'more than a limit allows at all': { bed: () => acme({ limits: { tokensPerDay: 1 } }) },
  },
  insufficient_quota: {
    'a spent budget': {
      bed: () => atNoon({ budgets: [{ ...day, tokens: 600 }] }),
      arrange: spend,
    },
  },
  price_missing: {
    'a budget in money, and no prices': { bed: () => acme({ budgets: [{ ...day, amount: '5' }] }) },
  },
  limits_unavailable: {
    'a store of limits that is away': {
      bed: () => {
        const meter = new Meter({
          ledger: new LedgerAway(),
          record: () => undefined,
          userSecret: Buffer.from('x'),
        })
        return { ...acme({ limits: { requestsPerDay: 9 } }), gateway: { meter } }
      },
      waitMs: 1000,
    },
  },
  adapter_failed: { 'a failed adapter': { order: { model: 'broken' } } },
  adapter_suspended: { 'a suspended adapter': { order: { model: 'paused' } } },
  adapter_loading: {
    'an adapter that is not there yet': {
      bed: () => quickly,
      order: { model: 'coming' },
      waitMs: 2000,
    },
  },
  overloaded: {
    'an engine that takes no more': {
      arrange: ({ engine }) => engine.faults.add({ kind: 'Overload' }),
      waitMs: 2000,
    },
  },
  no_replica: {
    'no engine': { bed: () => quickly, arrange: ({ agent }) => agent.down(), waitMs: 5000 },
  },
  shutting_down: {
    'a gateway that drains': {
      arrange: ({ gateway }) => void gateway.drain(AbortSignal.timeout(60_000)),
      waitMs: 1000,
    },
    'a gateway that stops, inside a stream': {
      ...inStream,
      arrange: ({ engine }) => engine.faults.add({ kind: 'Hang', afterTokens: 3 }),
      during: ({ gateway }) => gateway.close(),
    },
  },
  engine_failed: {
    'an engine that breaks off': {
      arrange: ({ engine }) => engine.faults.add({ kind: 'Reset', afterTokens: 0 }),
    },
    'an engine that fails inside a stream': {
      ...inStream,
      arrange: ({ engine }) => engine.faults.add({ kind: 'ErrorInStream', afterTokens: 3 }),
    },
    'an engine that breaks off inside a stream': {
      ...inStream,
      arrange: ({ engine }) => engine.faults.add({ kind: 'Reset', afterTokens: 3 }),
    },
  },
  engine_timeout: {
    'an engine that says nothing': {
      bed: () => ({ objects: shortStreams }),
      arrange: ({ engine }) => engine.faults.add({ kind: 'Hang', afterTokens: 0 }),
    },
    'an engine that falls silent inside a stream': {
      ...inStream,
      bed: () => ({ objects: shortStreams }),
      arrange: ({ engine }) => engine.faults.add({ kind: 'Hang', afterTokens: 3 }),
    },
  },
  internal_error: {
    'a bug of ours': {
      arrange: ({ gateway }) => {
        gateway.serve = () => {
          throw new TypeError('not for callers')
        }
      },
    },
  },
}
const embedder = aPool('embedder').with({ model: { uri: 'file:./base', task: 'Embed' } })
const objects = [
  ...withRefusals.objects,
  anAdapter('coming').in('acme'),
  embedder,
  anAdapter('vectors').in('acme').on('models/embedder'),
]
const shortStreams = [
  ...withRefusals.objects.filter(({ key }) => key !== 'models/llama'),
  aPool('llama').with({ maxStreamSeconds: 1 }),
]
const statuses = {
  ...withRefusals.statuses,
  'acme/coming': anAdapterStatus({ ready: ['False', 'Loading'] }),
}

/** What each SDK calls a status; the others are its APIError. */
const classes: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'AuthenticationError',
  403: 'PermissionDeniedError',
  404: 'NotFoundError',
  422: 'UnprocessableEntityError',
  429: 'RateLimitError',
}
const classOf = (status: number): string =>
  status >= 500 ? 'InternalServerError' : (classes[status] ?? 'APIError')

const python = await findPython()
const workers: PythonClient[] = []
const clients: Record<string, RefusedClient> = {
  'openai-node': openaiNode,
  'anthropic-node': anthropicNode,
}
beforeAll(() => {
  if (python !== undefined) {
    const [openai, anthropic] = ['openai_worker.py', 'anthropic_worker.py'].map(
      (script) => new PythonClient(python, script),
    ) as [PythonClient, PythonClient]
    workers.push(openai, anthropic)
    clients['openai-python'] = openaiPython(openai)
    clients['anthropic-python'] = anthropicPython(anthropic)
  }
})
afterAll(() => Promise.all(workers.map((worker) => worker.close())))

const rows = Object.entries(grid).flatMap(([code, cases]) =>
  cases === 'no SDK can meet it'
    ? []
    : Object.entries(cases).map(([sentence, row]) => ({ code: code as ErrorCode, sentence, row })),
)

/** When each client's requests arrived, by the header that it sends, and what they are answered on. */
function watchArrivals(bed: GatewayBed) {
  const arrivals = new Map<string, number[]>()
  const responses: ServerResponse[] = []
  bed.server.server.on('request', ({ headers }, response) => {
    const who = String(headers['x-client'])
    arrivals.set(who, [...(arrivals.get(who) ?? []), performance.now()])
    responses.push(response)
  })
  return { arrivals, begun: () => responses.filter(({ headersSent }) => headersSent).length }
}

describe.concurrent('each SDK understands', () => {
  test.each(rows)('$code: $sentence', async ({ code, row }) => {
    const bed = await GatewayBed.start({ objects, statuses, ...row.bed?.() })
    try {
      await row.arrange?.(bed)
      const { arrivals, begun } = watchArrivals(bed)
      const order = { url: bed.url, key: keyOfTenant('acme'), model: 'tickets', more: {} }
      const told = { ...order, stream: false, isNowhere: false, headers: {}, ...row.order }
      const answers = Object.entries(clients).map(async ([who, ask]) => {
        const refusal = await ask({ ...told, headers: { ...told.headers, 'x-client': who } })
        return { who, ...refusal, attempts: arrivals.get(who) ?? [] }
      })
      if (row.during !== undefined) {
        await eventually(begun).toBe(answers.length)
        await row.during(bed)
      }
      const { status, shouldRetry } = errorTable[code] as {
        status: number
        shouldRetry?: boolean
      }
      const isInStream = row.isInStream === true
      const isRetried =
        !isInStream && (row.isRetried ?? shouldRetry ?? (status === 429 || status >= 500))
      for (const { who, ...refusal } of await Promise.all(answers)) {
        expect(
          { who, code: refusal.code, attempts: refusal.attempts.length },
          JSON.stringify(refusal),
        ).toEqual({ who, code, attempts: isRetried ? 2 : 1 })
        expect(refusal.classes, who).toContain(isInStream ? 'APIError' : classOf(status))
        expect(refusal.seen > 0, who).toBe(isInStream)
        // An error inside a stream has the status 200, which only one of them shows, and one has forgotten the id.
        if (!isInStream) {
          expect(refusal.status, who).toBe(status)
        }
        if (!(isInStream && who === 'openai-python')) {
          expect(refusal.requestId, who).toMatch(/^req_[0-9a-f]{24}$/)
        }
        const [first = 0, second = Infinity] = refusal.attempts
        expect(second - first, who).toBeGreaterThan((row.waitMs ?? 0) * 0.95)
      }
    } finally {
      await bed.close()
    }
  })
})
