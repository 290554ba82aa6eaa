import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { adapterYaml, fixtures, poolYaml, tenantYaml, TestService } from '../support/service.ts'

let service: TestService

afterEach(() => service.close())

const args = ['--step-ms', '20']

describe('fewer replicas', () => {
  test('cut no stream: the engine that goes lets its own end first', async () => {
    service = await TestService.start({
      files: {
        'pool.yaml': poolYaml({ replicas: 2, args }),
        'acme.yaml':
          tenantYaml('acme') +
          adapterYaml('acme', 'tickets', join(fixtures, 'adapters', 'acme-tickets')),
      },
    })
    await service.untilReady('acme/tickets')
    const { gateway, replicas } = service.standalone
    await expect
      .poll(() => gateway.views().filter((view) => [...view.routable()].length === 1).length, {
        timeout: 20_000,
      })
      .toBe(2)

    let started = 0
    const streams = Array.from({ length: 12 }, (_, index) =>
      service.stream(
        'acme',
        'tickets',
        {
          max_tokens: 150,
          ignore_eos: true,
          messages: [{ role: 'user', content: `story ${index}` }],
        },
        () => (started += 1),
      ),
    )
    await expect.poll(() => started, { timeout: 20_000 }).toBe(streams.length)
    expect(gateway.views().every((view) => view.inFlight > 0)).toBe(true)
    service.save('pool.yaml', poolYaml({ replicas: 1, args }))
    await expect.poll(() => replicas.states().length, { timeout: 10_000 }).toBe(1)

    for (const text of await Promise.all(streams)) {
      expect(text).not.toContain('"error"')
      expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
      expect(text.split('"content":').length).toBeGreaterThanOrEqual(150)
    }
    await expect.poll(() => service.enginePids().length, { timeout: 30_000 }).toBe(1)
  })
})
