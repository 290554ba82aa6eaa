// What tests of vendors' SDKs for Node share: the fetch they are given, and the objects whose names are refused.
import { fetch as undiciFetch } from 'undici'
import { expect } from 'vitest'
import { aKey, anAdapter, anAdapterStatus, aTenant } from './builders.ts'
import { tenants } from './gateway-bed.ts'

/** A suspended adapter, a failed one and a suspended tenant beside those that work. */
export const withRefusals = {
  objects: [
    ...tenants,
    anAdapter('paused').in('acme').suspended(),
    anAdapter('broken').in('acme'),
    aTenant('stopped').suspended(),
    aKey('stopped').in('stopped'),
  ],
  statuses: {
    'acme/broken': anAdapterStatus({ ready: ['False', 'NotFinite', 'A weight is not finite.'] }),
  },
}

export interface SentRequest {
  readonly at: number
  readonly retry: string | null
}

/** The clients' types mean the global fetch, which is undici's of another version. */
const send = undiciFetch as unknown as (url: unknown, init: unknown) => Promise<Response>

/** A client's `fetch` option, and every HTTP request that went through it. */
export function recordedFetch() {
  const requests: SentRequest[] = []
  const fetch = (url: unknown, init?: { headers?: unknown }): Promise<Response> => {
    const headers = new Headers(init?.headers as Record<string, string>)
    requests.push({ at: performance.now(), retry: headers.get('x-stainless-retry-count') })
    return send(url, init)
  }
  return { requests, fetch }
}

/** What a call was refused with, one of the client's own errors. */
export async function refusalOf<E>(
  promise: Promise<unknown>,
  kind: new (...args: never[]) => unknown,
): Promise<E> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(outcome).toBeInstanceOf(kind)
  return outcome as E
}
