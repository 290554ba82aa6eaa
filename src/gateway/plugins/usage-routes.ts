import type { FastifyInstance } from 'fastify'
import { authenticate } from '../authenticate.ts'
import type { Gateway } from '../gateway.ts'
import { costsPage, usagePage } from '../metering/organization-pages.ts'
import { standing } from '../metering/standing.ts'

/** What a tenant has left, and what it used: its own, whichever of its keys asks (I7). */
export async function usageRoutes(
  app: FastifyInstance,
  { gateway }: { readonly gateway: Gateway },
): Promise<void> {
  const { meter } = gateway

  app.get<{ Querystring: Record<string, unknown> }>('/v1/usage', async (request, reply) => {
    const caller = authenticate(gateway.table, request.headers, Date.now())
    const { user } = request.query
    return reply.send(await standing(meter, caller, typeof user === 'string' ? user : undefined))
  })

  const pages = {
    '/v1/organization/usage/completions': usagePage,
    '/v1/organization/costs': costsPage,
  }
  for (const [path, page] of Object.entries(pages)) {
    app.get<{ Querystring: Record<string, unknown> }>(path, async (request, reply) => {
      const caller = authenticate(gateway.table, request.headers, Date.now())
      const text = await page(meter, caller, request.query, Date.now())
      return reply.type('application/json; charset=utf-8').send(text)
    })
  }
}
