import { afterAll, beforeAll, expect, test } from 'vitest'
import { fuzz } from '../bars/fuzz.ts'
import { eventually } from '../support/eventually.ts'
import { call } from '../support/http-caller.ts'
import { FuzzedGateway } from '../support/fuzz/fuzzed-gateway.ts'
import { goodRequest } from '../support/fuzz/good-request.ts'
import { JudgingEngine } from '../support/fuzz/judging-engine.ts'
import { RawConnection } from '../support/fuzz/raw-connection.ts'
import { silent, slowBody, slowHeaders } from '../support/fuzz/slow-callers.ts'
import { secretOf } from '../support/builders.ts'

test('requests that no client would send are refused in the words of their route, and nothing else suffers', async () => {
  const figures = await fuzz(Number(process.env['LORAPLEX_FUZZ_SEED'] ?? 5), 0, 1500, 32)
  expect(figures.faults).toEqual([])
  expect(figures.rssMb[1] - figures.rssMb[0]).toBeLessThan(400)
})

let engine: JudgingEngine
let gateway: FuzzedGateway
beforeAll(async () => {
  engine = await JudgingEngine.start()
  gateway = await FuzzedGateway.start(engine.url, { headersMs: 500, requestMs: 1000, checkMs: 100 })
})
afterAll(async () => {
  await gateway.end()
  await engine.close()
})

test('callers that dawdle get 408 in the words of their route, and others are served beside them', async () => {
  const headers = Array.from({ length: 20 }, () => slowHeaders(gateway.port, 50))
  const bodies = Array.from({ length: 60 }, () => slowBody(gateway.port, 50))
  const connection = await RawConnection.open(gateway.port)
  for (let request = 0; request < 10; request += 1) {
    connection.write(goodRequest())
    expect((await connection.next(20_000))?.status).toBe(200)
  }
  connection.destroy()
  for (const { text } of await Promise.all(headers)) {
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(text).toContain('"code":"request_timeout"')
  }
  for (const { text } of await Promise.all(bodies)) {
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(text).toContain('"error_code":"request_timeout"')
  }
})

test('of many connections without a key the oldest make room, and those with a key stay', async () => {
  // Slow headers have ten seconds here: who is cut before, is cut because there are more than fifty.
  const crowded = await FuzzedGateway.start(engine.url, {}, 50)
  const kept = await RawConnection.open(crowded.port)
  kept.write(goodRequest())
  expect((await kept.next(20_000))?.status).toBe(200)
  const ends = Array.from({ length: 200 }, () => silent(crowded.port))
  let cut = 0
  for (const end of ends) {
    void end.then(() => (cut += 1))
  }
  await eventually(() => cut).toBe(150)
  kept.write(goodRequest())
  expect((await kept.next(20_000))?.status).toBe(200)
  const answer = await call(`http://127.0.0.1:${crowded.port}/v1/models`, { key: secretOf('acme') })
  expect(answer.status).toBe(200)
  kept.destroy()
  await crowded.end()
  const refused = (await Promise.all(ends)).filter(({ text }) => text.includes('"request_timeout"'))
  expect(refused.length).toBeGreaterThanOrEqual(150)
})
