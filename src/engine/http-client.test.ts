import { once } from 'node:events'
import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { EngineError } from './engine-error.ts'
import { createEngineClient } from './http-client.ts'
import type { EngineTimeouts } from './http-client.ts'
import type { EngineClient } from './types.ts'

const open: { client: EngineClient; server: Server }[] = []

/** A client whose engine is `answer`. */
async function engine(answer: RequestListener, timeouts?: EngineTimeouts): Promise<EngineClient> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createEngineClient({ url, apiKey: 'key' }, timeouts)
  open.push({ client, server })
  return client
}

afterEach(async () => {
  for (const { client, server } of open.splice(0)) {
    await client.close()
    server.closeAllConnections()
    server.close()
  }
})

const canary = { model: 'm', prompt: 'p', tokens: 1, logprobs: 2, cacheSalt: 's' }

describe('the engine client', () => {
  it('shows the pool’s key', async () => {
    let shown: string | undefined
    const client = await engine((request, response) => {
      shown = request.headers.authorization
      response.end('{"version":"0.32.0"}')
    })
    expect(await client.version()).toBe('0.32.0')
    expect(shown).toBe('Bearer key')
  })

  it('says that an engine is gone, rather than throwing, where that is an answer', async () => {
    const client = await engine((request) => request.socket.destroy())
    expect(await client.load('a', '/a')).toMatchObject({ outcome: 'EngineGone' })
    expect(await client.unload('a')).toMatchObject({ outcome: 'EngineGone' })
    expect(await client.complete(canary)).toMatchObject({ outcome: 'EngineGone' })
    await expect(client.models()).rejects.toMatchObject({ kind: 'Unreachable' })
  })

  it('tells a slow engine from one that is gone', async () => {
    const client = await engine(() => undefined, { readMs: 50, loadMs: 50, completeMs: 50 })
    expect(await client.load('a', '/a')).toMatchObject({
      outcome: 'Transient',
      reason: 'LoadTimeout',
    })
    expect(await client.complete(canary)).toMatchObject({ outcome: 'Failed', status: 0 })
    await expect(client.metrics()).rejects.toBeInstanceOf(EngineError)
  })

  it('ends a trickle at its absolute time, however lively it is', async () => {
    const client = await engine(
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 5)
        response.on('close', () => clearInterval(timer))
      },
      { readMs: 100, loadMs: 100, completeMs: 100 },
    )
    await expect(client.models()).rejects.toMatchObject({ kind: 'Unreachable' })
  })

  it('stops reading a body that has no end', async () => {
    let sent = 0
    const chunk = Buffer.alloc(1 << 20, 'x')
    const client = await engine((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) {
          sent += chunk.length
        }
      }
      response.on('drain', more)
      more()
    })
    await expect(client.version()).rejects.toMatchObject({ kind: 'BadAnswer' })
    expect(sent).toBeLessThan(32 << 20)
  })

  it('passes the caller’s own abort on as what it is', async () => {
    const client = await engine(() => undefined)
    const abort = new AbortController()
    const loading = client.load('a', '/a', abort.signal)
    abort.abort(new Error('enough'))
    await expect(loading).rejects.toThrow('enough')
  })

  it.each([
    ['no JSON', 200, 'hello'],
    ['another shape', 200, '{"data":[{"name":1}]}'],
    ['a refusal', 401, '{"error":"Unauthorized"}'],
  ])('throws for a models list that is %s', async (_, status, body) => {
    const client = await engine((_request, response) => response.writeHead(status).end(body))
    await expect(client.models()).rejects.toMatchObject({ kind: 'BadAnswer', status })
  })

  it('takes an unload of what is not loaded for done', async () => {
    const client = await engine((_, response) =>
      response
        .writeHead(404)
        .end('{"error":{"message":"The lora adapter \'a\' cannot be found.","code":404}}'),
    )
    expect(await client.unload('a')).toEqual({ outcome: 'NotLoaded' })
  })

  it('does not take a closed route for an unloaded adapter', async () => {
    const client = await engine((_, response) =>
      response.writeHead(404).end('{"detail":"Not Found"}'),
    )
    expect(await client.unload('a')).toMatchObject({ outcome: 'EngineGone' })
  })
})
