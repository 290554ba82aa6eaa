import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openAdminAuth, type AdminAuth, type AdminVerdict } from './admin-auth.ts'
import { createAdminServer } from './admin-server.ts'
import { createTokenAdminAuth } from './token-admin-auth.ts'

function server(more: { auth?: AdminAuth; why?: string } = {}) {
  return createAdminServer({
    logger: pino({ level: 'silent' }),
    registry: new Registry(),
    notReady: () => more.why,
    debugState: () => ({ seen: true }),
    auth: more.auth ?? openAdminAuth,
  })
}

describe('the operator’s port', () => {
  test('says in words why no traffic should come', async () => {
    const app = await server({ why: 'waiting for a friend' })
    const answer = await app.inject('/readyz')
    expect(answer.statusCode).toBe(503)
    expect(answer.json()).toEqual({ status: 'waiting for a friend' })
    expect((await (await server()).inject('/readyz')).statusCode).toBe(200)
  })

  test.each<[AdminVerdict, number]>([
    ['Allowed', 200],
    ['Unknown', 401],
    ['Forbidden', 403],
    ['Unavailable', 503],
  ])('somebody who is %s gets %i, and probes are always answered', async (verdict, status) => {
    const asked: string[] = []
    const auth: AdminAuth = {
      check: (_authorization, path) => {
        asked.push(path)
        return Promise.resolve(verdict)
      },
    }
    const app = await server({ auth })
    for (const path of ['/metrics', '/debug/state']) {
      const answer = await app.inject(`${path}?x=1`)
      expect(answer.statusCode).toBe(status)
      expect(answer.body.includes('seen')).toBe(verdict === 'Allowed' && path === '/debug/state')
    }
    expect(asked).toEqual(['/metrics', '/debug/state'])
    expect((await app.inject('/healthz')).statusCode).toBe(200)
    expect((await app.inject('/readyz')).statusCode).toBe(200)
  })
})

describe('a token in a file', () => {
  let folder: string
  const file = () => join(folder, 'token')
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'loraplex-admin-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  test('opens, and a new one in its place does so from then on', async () => {
    await writeFile(file(), 'first-token-0123456789\n')
    const auth = await createTokenAdminAuth(file())
    const check = (token: string) => auth.check(`Bearer ${token}`, '/metrics')
    expect(await check('first-token-0123456789')).toBe('Allowed')
    expect(await check('first-token-012345678')).toBe('Unknown')
    expect(await auth.check(undefined, '/metrics')).toBe('Unknown')
    await writeFile(file(), 'second-token-0123456789')
    expect(await check('first-token-0123456789')).toBe('Unknown')
    expect(await check('second-token-0123456789')).toBe('Allowed')
    await rm(file())
    expect(await check('second-token-0123456789')).toBe('Allowed')
  })

  test('has to be there at the start, and has to be one', async () => {
    await expect(createTokenAdminAuth(file())).rejects.toThrow('cannot be read (ENOENT)')
    await writeFile(file(), '\n')
    await expect(createTokenAdminAuth(file())).rejects.toThrow('at least 16')
  })
})
