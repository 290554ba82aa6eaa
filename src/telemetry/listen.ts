import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { UserError } from '../errors.ts'

/** @throws UserError that names the flag to choose another port with. */
export async function listen(
  app: FastifyInstance,
  host: string,
  port: number,
  flag: string,
): Promise<void> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    const why = code === 'EADDRINUSE' ? 'another process listens there already' : code
    throw new UserError(
      `Cannot listen on ${host}:${port}: ${why}.\nChoose another with ${flag} PORT (0 takes any free one).`,
    )
  }
}

/** Empty while nothing listens. */
export function urlOf(app: FastifyInstance): string {
  const address = app.server.address() as AddressInfo | null
  if (address === null) {
    return ''
  }
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}
