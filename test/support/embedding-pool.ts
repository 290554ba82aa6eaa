import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adapterYaml, fixtures, poolYaml, tenantYaml, TestService } from './service.ts'
import { call } from './http-caller.ts'

const good = [
  { tenant: 'acme', model: 'tickets', fixture: 'acme-tickets' },
  { tenant: 'globex', model: 'shout', fixture: 'globex-shout' },
] as const

interface Embeddings {
  readonly model: string
  readonly data: readonly { readonly embedding: readonly number[] }[]
  readonly usage: { readonly prompt_tokens: number }
}

/** A pool of `task: Embed`, from its YAML to its callers: launch, load, canary, routes. */
export function describeEmbeddingPool(engine: 'simulator' | 'vllm'): void {
  describe(`a pool that embeds, on ${engine}`, () => {
    let service: TestService
    beforeAll(async () => {
      service = await TestService.start({
        engine,
        files: {
          'pool.yaml': poolYaml().replace('maxModelLen:', 'task: Embed, maxModelLen:'),
          'tenants.yaml': good.map(({ tenant }) => tenantYaml(tenant)).join(''),
          'adapters.yaml': good
            .map(({ tenant, model, fixture }) =>
              adapterYaml(tenant, model, join(fixtures, 'adapters', fixture)),
            )
            .join(''),
        },
      })
      await service.untilReady(...good.map(({ tenant, model }) => `${tenant}/${model}`))
    }, 900_000)
    afterAll(() => service.close())

    const ask = (tenant: string, path: string, body: object) =>
      call(`${service.url}${path}`, { key: service.key(tenant), body })

    test('embeds with each tenant’s own adapter', async () => {
      const vectors: (readonly number[])[] = []
      for (const { tenant, model } of good) {
        const answer = await ask(tenant, '/v1/embeddings', { model, input: 'hello there' })
        const body = answer.json() as Embeddings
        expect(body).toMatchObject({ object: 'list', model })
        expect(answer.text).not.toContain('lpx-')
        expect(body.usage.prompt_tokens).toBe(11)
        const vector = body.data[0]?.embedding ?? []
        expect(Math.hypot(...vector)).toBeCloseTo(1, 2)
        vectors.push(vector)
      }
      const [one = [], other = []] = vectors
      expect(
        Math.max(...one.map((value, at) => Math.abs(value - (other[at] ?? 0)))),
      ).toBeGreaterThan(0.01)
    })

    test('finds the same text first', async () => {
      const documents = ['something else', 'hello there', 'nothing of it']
      const body = { model: 'tickets', query: 'hello there', documents, top_n: 1 }
      const answer = await ask('acme', '/v1/rerank', body)
      expect(answer.json()).toMatchObject({ model: 'tickets', results: [{ index: 1 }] })
      const scored = await ask('acme', '/v1/score', {
        model: 'tickets',
        queries: 'hello there',
        documents,
      })
      const { data } = scored.json() as { readonly data: readonly { readonly score: number }[] }
      expect(data[1]?.score).toBeCloseTo(1, 2)
    })

    test('writes no text', async () => {
      const { status } = await service.chat('acme', 'tickets')
      expect(status).toBe(400)
    })

    test('says in its list what it does', async () => {
      const answer = await call(`${service.url}/v1/models/tickets`, { key: service.key('acme') })
      expect(answer.json()).toMatchObject({ loraplex: { state: 'Ready', task: 'Embed' } })
    })
  })
}
