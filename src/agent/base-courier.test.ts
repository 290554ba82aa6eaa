import { Readable } from 'node:stream'
import { expect, test, vi } from 'vitest'
import { patience } from '../../test/support/eventually.ts'
import { BaseCourier } from './base-courier.ts'
import { systemClock } from './clock.ts'
import { silentLogger } from './logger.ts'

test('brings the base where it is missing, and again where it was lost', async () => {
  const depot = { has: false, got: 0 }
  const courier = new BaseCourier({
    clock: systemClock,
    logger: silentLogger,
    everyMs: 10,
    isThere: () => Promise.resolve(depot.has),
    read: () => Promise.resolve(Readable.from(['base'])),
    send: async (tar) => {
      tar.resume()
      depot.has = true
      depot.got += 1
    },
  })
  courier.start()
  await vi.waitFor(() => expect(depot.got).toBe(1), patience)
  depot.has = false
  await vi.waitFor(() => expect(depot.got).toBe(2), patience)
  await courier.close()
})
