import { statSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { request } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import { adapterYaml, fixtures, poolYaml, tenantYaml } from '../support/service.ts'
import { isRunning, UpProcess } from '../support/up-process.ts'

const files = {
  'pool.yaml': poolYaml({ args: ['--step-ms', '20'] }),
  'acme.yaml':
    tenantYaml('acme') + adapterYaml('acme', 'tickets', join(fixtures, 'adapters', 'acme-tickets')),
}

let up: UpProcess

afterEach(() => up.dispose())

async function openStream(tokens: number) {
  const answer = await request(`${up.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${up.key('acme')}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'tickets',
      stream: true,
      ignore_eos: true,
      max_tokens: tokens,
      messages: [{ role: 'user', content: 'hi' }],
    }),
  })
  expect(answer.statusCode).toBe(200)
  return answer.body
}

describe('loraplex up as a process', () => {
  test('SIGTERM lets an open stream end, takes nothing new, and leaves no engine behind', async () => {
    up = UpProcess.create(files)
    await up.start()
    const engines = up.enginePids()
    const stream = await openStream(150)
    const text = stream.text()
    up.signal('SIGTERM')
    await expect.poll(() => up.output).toContain('stopping: 1 requests')
    await expect(
      request(`${up.url}/v1/models`, { headers: { authorization: `Bearer ${up.key('acme')}` } }),
    ).rejects.toThrow()
    const body = await text
    expect(body.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(body).not.toContain('"error"')
    expect(body.split('"content":').length).toBeGreaterThanOrEqual(150)
    expect(await up.exited()).toBe(0)
    expect(engines.filter(isRunning)).toEqual([])
  })

  test('a second signal ends what is left with one error frame', async () => {
    up = UpProcess.create(files)
    await up.start()
    const stream = await openStream(900)
    const text = stream.text()
    up.signal('SIGTERM')
    await expect.poll(() => up.output).toContain('stopping')
    up.signal('SIGTERM')
    const body = await text
    expect(body).toContain('"code":"shutting_down"')
    expect(body.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(await up.exited()).toBe(0)
  })

  test('engines of a killed service are ended by the next one, which serves the same keys again', async () => {
    up = UpProcess.create(files)
    await up.start()
    const key = up.key('acme')
    const orphans = up.enginePids()
    process.kill(up.servicePid, 'SIGKILL')
    await up.exited()
    expect(orphans.some(isRunning)).toBe(true)
    await up.start()
    expect(up.output).toContain('ended engines that an earlier process left behind')
    expect(orphans.filter(isRunning)).toEqual([])
    expect(up.key('acme')).toBe(key)
    await (await openStream(3)).text()
  })

  test('keys and the salt lie in files that only their owner reads', async () => {
    up = UpProcess.create(files)
    await up.start()
    for (const name of ['starter-keys.json', 'cache-salt']) {
      expect(statSync(join(up.state, name)).mode & 0o777).toBe(0o600)
    }
  })

  test('the operator port asks for a token where it is told to', async () => {
    up = UpProcess.create({ ...files, 'operator-token': 'a-token-of-an-operator' })
    const token = join(up.folder, 'operator-token')
    await up.start('--admin-auth', 'Token', '--admin-token-file', token, '--host', '0.0.0.0')
    const status = async (path: string, authorization?: string): Promise<number> => {
      const headers = authorization === undefined ? {} : { authorization }
      const answer = await request(`${up.adminUrl}${path}`, { headers })
      await answer.body.dump()
      return answer.statusCode
    }
    expect(await status('/metrics')).toBe(401)
    expect(await status('/debug/state', `Bearer ${up.key('acme')}`)).toBe(401)
    expect(await status('/metrics', 'Bearer a-token-of-an-operator')).toBe(200)
    expect(await status('/readyz')).toBe(200)
    expect(up.output).not.toContain('whoever reaches the operator port')
  })

  test('an operator port that others reach and that asks nobody is told of', async () => {
    up = UpProcess.create(files)
    const token = join(up.folder, 'operator-token')
    await expect(up.start('--admin-token-file', token)).rejects.toThrow(
      '--admin-token-file needs --admin-auth Token',
    )
    await up.start('--host', '0.0.0.0')
    expect(up.output).toContain('whoever reaches the operator port on 0.0.0.0 reads')
  })

  test('a second service on the same state folder is refused in words', async () => {
    up = UpProcess.create(files)
    await up.start()
    const second = UpProcess.create(files)
    try {
      await expect(second.start('--state', up.state)).rejects.toThrow(
        /already uses the state folder/,
      )
    } finally {
      await second.dispose()
    }
  })
})
