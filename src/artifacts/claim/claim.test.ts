import { createReadStream, createWriteStream } from 'node:fs'
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { createGzip } from 'node:zlib'
import { pino } from 'pino'
import { extract, pack } from 'tar-stream'
import { request } from 'undici'
import { describe, expect, test } from 'vitest'
import { listen, urlOf } from '../../telemetry/listen.ts'
import { claimRoutes, tokenDigestOf } from '../../wire/claim-protocol.ts'
import { adapterFileNames } from '../adapter-files.ts'
import { ContentStore } from '../content-store.ts'
import { filesOf, tarOf } from '../depot/adapter-tar.ts'
import { digestFolder } from '../digest.ts'
import { createClaimServer } from './claim-server.ts'
import { fetchFromClaim, type ClaimFetch } from './claim-source.ts'

const good = fileURLToPath(new URL('../../../test/fixtures/adapters/acme-tickets', import.meta.url))
const token = 'a-token'
const never = new AbortController().signal

async function bed() {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-claim-'))
  const claim = join(folder, 'claim')
  await mkdir(claim)
  const server = await createClaimServer({
    folder: claim,
    claim: 'weights',
    tokenDigest: tokenDigestOf(token),
    logger: pino({ level: 'silent' }),
  })
  await listen(server, '127.0.0.1', 0, '--port')
  const store = await ContentStore.open(join(folder, 'store'))
  const url = urlOf(server)
  return {
    folder,
    claim,
    store,
    url,
    server,
    fetch: (path: string, more: Partial<ClaimFetch> = {}) =>
      fetchFromClaim({
        reader: { url, token },
        path,
        store,
        maxBytes: 1 << 30,
        signal: never,
        ...more,
      }),
    [Symbol.asyncDispose]: async () => {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** A pod that says what a test tells it to. */
async function stranger(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('an adapter on a claim', () => {
  test('comes from a folder, and nothing but its two files', async () => {
    await using it = await bed()
    await cp(good, join(it.claim, 'a', 'tickets'), { recursive: true })
    await writeFile(join(it.claim, 'a', 'tickets', 'README.md'), 'words')
    const digest = await digestFolder(good)
    const outcome = await it.fetch('a/tickets')
    expect(outcome).toMatchObject({ outcome: 'Stored', adapter: { digest } })
    const [stored] = await it.store.list()
    expect((await readdir(stored?.path ?? '')).toSorted()).toEqual([...adapterFileNames])
  })

  test('comes from an archive, which the taker takes apart', async () => {
    await using it = await bed()
    const archive = join(it.claim, 'tickets.tar.gz')
    await pipeline(tarOf(filesOf(good, adapterFileNames)), createGzip(), createWriteStream(archive))
    const digest = await digestFolder(good)
    expect(await it.fetch('tickets.tar.gz')).toMatchObject({
      outcome: 'Stored',
      adapter: { digest },
    })
    await writeFile(join(it.claim, 'broken.tgz'), 'no archive')
    expect(await it.fetch('broken.tgz')).toMatchObject({
      outcome: 'Refused',
      problem: { reason: 'ArchiveInvalid' },
    })
  })

  test.each([
    ['nothing', 'SourceNotFound', 'pvc://weights/nothing'],
    ['README.md', 'SourceInvalid', 'pvc://weights/README.md'],
    ['half', 'WeightsMissing', 'adapter_model.safetensors'],
    ['out', 'SourceUnsafe', 'leads out'],
    ['out.tar.gz', 'SourceUnsafe', 'leads out'],
    ['linked', 'SourceUnsafe', 'is a link that leaves'],
    ['../elsewhere', 'SourceUnsafe', 'leads out'],
  ])('that is %s is refused: %s', async (path, reason, words) => {
    await using it = await bed()
    await cp(good, join(it.folder, 'elsewhere'), { recursive: true })
    await writeFile(join(it.folder, 'elsewhere.tar.gz'), 'x')
    await writeFile(join(it.claim, 'README.md'), 'words')
    await symlink(join(it.folder, 'elsewhere'), join(it.claim, 'out'))
    await symlink(join(it.folder, 'elsewhere.tar.gz'), join(it.claim, 'out.tar.gz'))
    for (const folder of ['half', 'linked']) {
      await mkdir(join(it.claim, folder))
      await cp(join(good, 'adapter_config.json'), join(it.claim, folder, 'adapter_config.json'))
    }
    const weights = join(it.folder, 'elsewhere', 'adapter_model.safetensors')
    await symlink(weights, join(it.claim, 'linked', 'adapter_model.safetensors'))
    const outcome = await it.fetch(path)
    expect(outcome).toMatchObject({ outcome: 'Refused', problem: { reason } })
    expect(JSON.stringify(outcome)).toContain(words)
    expect(await it.store.list()).toEqual([])
  })

  test('has the taker’s limits and the digest that is asked for', async () => {
    await using it = await bed()
    await cp(good, join(it.claim, 'tickets'), { recursive: true })
    expect(await it.fetch('tickets', { maxBytes: 2000 })).toMatchObject({
      outcome: 'Refused',
      problem: { reason: 'AdapterTooLarge' },
    })
    expect(await it.fetch('tickets', { expectedDigest: 'a'.repeat(64) })).toMatchObject({
      problem: { reason: 'DigestMismatch' },
    })
    expect(await it.store.list()).toEqual([])
  })

  test('that changes while it is sent is none', async () => {
    await using it = await bed()
    const weights = join(it.claim, 'adapter_model.safetensors')
    await writeFile(join(it.claim, 'adapter_config.json'), '{}')
    await writeFile(weights, Buffer.alloc(64 << 20, 'a'))
    const { body } = await request(`${it.url}${claimRoutes.adapter('')}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    const tar = extract()
    const feeding = pipeline(body, tar).catch(() => undefined)
    const said: string[] = []
    for await (const entry of tar) {
      if (entry.header.name === 'adapter_model.safetensors') {
        await using file = await open(weights, 'r+')
        await file.write(Buffer.from('b'), 0, 1, (64 << 20) - 1)
      }
      for await (const piece of entry) {
        if (entry.header.name === 'outcome.json') {
          said.push(String(piece))
        }
      }
    }
    await feeding
    expect(JSON.parse(said.join(''))).toMatchObject({
      outcome: 'Failed',
      problem: { reason: 'SourceChanged' },
    })
  })
})

describe('the pod that reads a claim', () => {
  test('gives nothing to who lacks its token, nor what does not know it', async () => {
    await using it = await bed()
    await cp(good, join(it.claim, 'tickets'), { recursive: true })
    for (const shown of ['', 'Bearer wrong', `Bearer ${tokenDigestOf(token)}`]) {
      const { statusCode, body } = await request(`${it.url}${claimRoutes.adapter('tickets')}`, {
        headers: { authorization: shown },
      })
      expect(statusCode).toBe(401)
      await body.dump()
    }
    const outcome = await it.fetch('tickets', { reader: { url: it.url, token: 'wrong' } })
    expect(outcome).toMatchObject({
      outcome: 'Failed',
      problem: { reason: 'SourceUnreachable', message: expect.stringContaining('answers 401') },
    })
  })

  test('that is gone or breaks off is asked again later, and nothing is kept', async () => {
    await using it = await bed()
    await using half = await stranger((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-tar' })
      tarOf(filesOf(good, ['adapter_config.json'])).pipe(response)
    })
    await using cut = await stranger((_request, response) => {
      response.writeHead(200)
      createReadStream(join(good, 'adapter_model.safetensors'))
        .once('end', () => response.destroy())
        .pipe(response, { end: false })
    })
    for (const url of [half.url, cut.url, 'http://127.0.0.1:1']) {
      expect(await it.fetch('x', { reader: { url, token } })).toMatchObject({
        outcome: 'Failed',
        problem: { reason: 'SourceUnreachable' },
      })
    }
    expect(await it.store.list()).toEqual([])
  })

  test('is no place where content can be slipped in', async () => {
    await using it = await bed()
    await using other = await stranger((_request, response) => {
      const tar = pack()
      tar.entry({ name: '../evil' }, 'x')
      tar.finalize()
      ;(tar as unknown as NodeJS.ReadableStream).pipe(response)
    })
    expect(await it.fetch('x', { reader: { url: other.url, token } })).toMatchObject({
      problem: { reason: 'SourceUnreadable' },
    })
    await using empty = await stranger((_request, response) => {
      const tar = pack()
      tar.entry({ name: 'outcome.json' }, '{"outcome":"Read"}')
      tar.finalize()
      ;(tar as unknown as NodeJS.ReadableStream).pipe(response)
    })
    expect(await it.fetch('x', { reader: { url: empty.url, token } })).toMatchObject({
      outcome: 'Failed',
      problem: { reason: 'SourceUnreachable' },
    })
  })

  test('stops when the taker goes', async () => {
    await using it = await bed()
    await cp(good, join(it.claim, 'tickets'), { recursive: true })
    await appendFile(join(it.claim, 'tickets', 'adapter_model.safetensors'), Buffer.alloc(64 << 20))
    const abort = new AbortController()
    const fetching = it.fetch('tickets', { signal: abort.signal })
    abort.abort()
    await expect(fetching).rejects.toThrow()
    expect(await it.store.list()).toEqual([])
  })
})
