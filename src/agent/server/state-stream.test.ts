import { createServer, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { expect, test, vi } from 'vitest'
import type { StateMessage } from '../../api/agent-protocol.ts'
import { silentLogger } from '../logger.ts'
import { StateHub } from '../state-hub.ts'
import { StateStream } from './state-stream.ts'

const hello: StateMessage = {
  type: 'hello',
  replica: 'a',
  engineProcess: 'a@1',
  engineVersion: '0.32.0',
  simulated: true,
}
const patience = { timeout: 20_000, interval: 5 }

async function streaming(options: ConstructorParameters<typeof StateStream>[2]) {
  const hub = new StateHub(() => [hello], silentLogger)
  let out: ServerResponse | undefined
  const server = createServer((_request, response) => {
    out = response
    void new StateStream({ watchState: (listener) => hub.watch(listener) }, response, options)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
  await vi.waitFor(() => expect(out).toBeDefined(), patience)
  return {
    hub,
    socket,
    waiting: () => out?.writableLength ?? 0,
    ended: () => out?.destroyed ?? false,
    [Symbol.asyncDispose]: async () => {
      socket.destroy()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Until the connection takes no more, and ten times that. */
async function flood(it: Awaited<ReturnType<typeof streaming>>): Promise<number> {
  let most = 0
  for (let count = 0; count < 30_000; count += 1) {
    it.hub.publish({ type: 'slots', gateways: [`${count}`.padStart(1000, '.')] })
    most = Math.max(most, it.waiting())
    if (count % 100 === 0) {
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return most
}

test('a reader that does not read costs a bounded buffer, and begins again with the whole state', async () => {
  await using it = await streaming({ maxBufferedBytes: 64 * 1024 })
  expect(await flood(it)).toBeLessThan(128 * 1024)
  let hellos = 0
  let seen = ''
  it.socket.resume().on('data', (chunk: Buffer) => {
    const text = seen.slice(-6) + chunk.toString()
    hellos += text.split('"hello"').length - 1
    seen = text
  })
  await vi.waitFor(() => expect(hellos).toBeGreaterThan(1), patience)
  await vi.waitFor(() => {
    it.hub.publish({ type: 'slots', gateways: ['last'] })
    expect(seen).toContain('"last"')
  }, patience)
})

test('a reader that takes nothing for too long is cut off', async () => {
  await using it = await streaming({ maxBufferedBytes: 1024, stalledMs: 50 })
  await flood(it)
  await vi.waitFor(() => expect(it.ended()).toBe(true), patience)
})

test('a silent agent says that it is alive', async () => {
  await using it = await streaming({ keepAliveMs: 20 })
  let text = ''
  it.socket.resume().on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  await vi.waitFor(() => expect(text.split('\r\n1\r\n\n').length).toBeGreaterThan(2), patience)
})
