import { createGzip } from 'node:zlib'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import { aLora, aTensor, writeAdapter } from '../../test/support/adapter-builder.ts'
import { serveFiles, testCertificate, type HttpsFiles } from '../../test/support/https-files.ts'
import { ContentStore } from './content-store.ts'
import { digestFolder } from './digest.ts'
import { fetchFromHttps, type HttpsFetch } from './https-source.ts'
import type { GuardedHttpOptions } from './https/guarded-http.ts'

const names = ['adapter_config.json', 'adapter_model.safetensors'] as const

async function bed() {
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-https-'))
  const server = await serveFiles()
  const store = await ContentStore.open(join(folder, 'store'))
  const source = join(folder, 'source')
  const a = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight', [4, 256])
  const b = aTensor('base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight', [256, 4])
  await writeAdapter(source, aLora(a, b))
  for (const name of names) {
    server.files.set(`/a/${name}`, await readFile(join(source, name)))
  }
  return {
    server,
    store,
    source,
    digest: await digestFolder(source),
    fetch: (path: string, http: Partial<GuardedHttpOptions> = {}, more: Partial<HttpsFetch> = {}) =>
      fetchFromHttps({
        url: server.url(path),
        store,
        http: {
          allowPrivateHosts: new Set(['adapters.test']),
          resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
          ca: testCertificate,
          ...http,
        },
        resume: { firstDelayMs: 1 },
        ...more,
      }),
    /** Nothing may be left of a fetch that failed. */
    left: () => readdir(store.root),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function reason(outcome: Awaited<ReturnType<typeof fetchFromHttps>>): string {
  return outcome.outcome === 'Stored' ? 'Stored' : `${outcome.outcome} ${outcome.problem.reason}`
}

async function archiveOf(server: HttpsFiles): Promise<Buffer> {
  const tar = pack()
  for (const name of names) {
    tar.entry({ name }, server.files.get(`/a/${name}`) ?? Buffer.alloc(0))
  }
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar.pipe(createGzip())) {
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}

describe('an adapter on an https server', () => {
  test('is stored from a folder, under the digest of its files', async () => {
    await using it = await bed()
    expect(await it.fetch('/a/', {}, { expectedDigest: `sha256:${it.digest}` })).toMatchObject({
      outcome: 'Stored',
      adapter: { digest: it.digest },
    })
  })

  test('is stored from an archive', async () => {
    await using it = await bed()
    it.server.files.set('/a.tar.gz', await archiveOf(it.server))
    expect(await it.fetch('/a.tar.gz')).toMatchObject({ adapter: { digest: it.digest } })
  })

  test.each([0, 1, 7, 8, 9, 250, 300, 4000, -1])(
    'comes whole although the connection broke at byte %d',
    async (cut) => {
      await using it = await bed()
      const size = it.server.files.get(`/a/${names[1]}`)?.length ?? 0
      const config = it.server.files.get(`/a/${names[0]}`)?.length ?? 0
      // The config breaks once, the weights twice.
      it.server.cuts.push(Math.min(Math.max(cut, 0), config - 1), cut < 0 ? size - 1 : cut)
      const outcome = await it.fetch('/a/')
      expect(outcome).toMatchObject({ outcome: 'Stored', adapter: { digest: it.digest } })
    },
  )

  test('asks only for the rest, of the same version', async () => {
    await using it = await bed()
    it.server.cuts.push(1_000_000, 1000)
    await it.fetch('/a/')
    expect(it.server.seen.map(({ range }) => range).filter((range) => range !== undefined)).toEqual(
      ['bytes=1000-'],
    )
  })

  test('leaves nothing when it changed in the middle, and when a server lies about ranges', async () => {
    await using it = await bed()
    const weights = `/a/${names[1]}`
    it.server.before = (request, response) => {
      if (request.url !== weights) {
        return false
      }
      if (request.headers.range === undefined) {
        it.server.cuts.unshift(1000)
        return false
      }
      it.server.etag = '"two"'
      return response.destroyed
    }
    expect(reason(await it.fetch('/a/'))).toBe('Failed SourceChanged')
    it.server.before = (request, response) => {
      if (request.url !== weights || request.headers.range === undefined) {
        if (request.url === weights) {
          it.server.cuts.unshift(1000)
        }
        return false
      }
      const content = it.server.files.get(weights) ?? Buffer.alloc(0)
      response.writeHead(206, {
        'content-range': `bytes 0-${content.length - 1}/${content.length}`,
      })
      response.end(content)
      return true
    }
    expect(reason(await it.fetch('/a/'))).toBe('Failed SourceChanged')
    expect(await it.left()).toEqual([])
  })

  test('is given up when a connection breaks again and again without a byte', async () => {
    await using it = await bed()
    it.server.before = (request) => {
      if (request.url?.endsWith('safetensors') === true) {
        it.server.cuts.unshift(0)
      }
      return false
    }
    expect(reason(await it.fetch('/a/'))).toBe('Failed SourceUnreachable')
    expect(await it.left()).toEqual([])
  })

  test.each([
    [404, 'Refused SourceNotFound'],
    [410, 'Refused SourceNotFound'],
    [401, 'Failed SourceDenied'],
    [403, 'Failed SourceDenied'],
    [429, 'Failed SourceUnreachable'],
    [503, 'Failed SourceUnreachable'],
    [206, 'Failed SourceChanged'],
  ])('answers %d: %s', async (status, want) => {
    await using it = await bed()
    it.server.before = (_request, response) => {
      response.writeHead(status, { 'content-length': 2 }).end('no')
      return true
    }
    expect(reason(await it.fetch('/a/'))).toBe(want)
  })

  test('is refused beyond the size that is allowed, whatever the server announces', async () => {
    await using it = await bed()
    it.server.before = (request, response) => {
      if (request.url?.endsWith('safetensors') !== true) {
        return false
      }
      const endless = (): void => {
        while (response.writable && response.write(Buffer.alloc(65_536))) {
          // Until the connection takes no more.
        }
      }
      response.on('drain', endless)
      endless()
      return true
    }
    expect(reason(await it.fetch('/a/', {}, { maxBytes: 1 << 20 }))).toBe('Refused AdapterTooLarge')
    expect(await it.left()).toEqual([])
  })

  test('is refused with other content than its digest names', async () => {
    await using it = await bed()
    const outcome = await it.fetch('/a/', {}, { expectedDigest: '0'.repeat(64) })
    expect(reason(outcome)).toBe('Refused DigestMismatch')
  })

  test('is stopped when it comes too slowly', async () => {
    await using it = await bed()
    it.server.before = (request, response) => {
      if (request.url?.endsWith('safetensors') !== true) {
        return false
      }
      const timer = setInterval(() => response.write('x'), 20)
      response.on('close', () => clearInterval(timer))
      return true
    }
    expect(reason(await it.fetch('/a/', {}, { limitMs: 500 }))).toBe('Failed SourceUnreachable')
  })
})

describe('an https source', () => {
  test.each([
    'https://169.254.169.254/latest/',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::1]/',
    'https://[::ffff:10.0.0.1]/',
    'http://adapters.test/',
    'https://user:word@adapters.test/',
    'https://elsewhere.test:8443/',
  ])('is not read at %s, nor after a redirect there', async (target) => {
    await using it = await bed()
    const direct = await it.fetch('/a/', {}, { url: target })
    expect(reason(direct)).toBe('Refused SourceForbidden')
    it.server.before = (_request, response) => {
      response.writeHead(302, { location: target }).end()
      return true
    }
    expect(reason(await it.fetch('/a/'))).toBe('Refused SourceForbidden')
  })

  test('is not read where its name leads to a private address when it connects', async () => {
    await using it = await bed()
    const none = { allowPrivateHosts: new Set<string>() }
    const onePort = { allowPrivateHosts: new Set(['adapters.test:8443']) }
    expect(reason(await it.fetch('/a/', onePort))).toBe('Refused SourceForbidden')
    const withoutPort = { url: 'https://adapters.test/a/' }
    expect(reason(await it.fetch('/a/', onePort, withoutPort))).toBe('Refused SourceForbidden')
    expect(reason(await it.fetch('/a/', none, { url: 'https://adapters.test/a/' }))).toBe(
      'Refused SourceForbidden',
    )
    // A name that was harmless when somebody looked leads inside at the moment of the connection.
    it.server.before = (_request, response) => {
      response.writeHead(302, { location: 'https://rebound.test/' }).end()
      return true
    }
    const asked: string[] = []
    const rebound = await it.fetch('/a/', {
      resolve: (host) => {
        asked.push(host)
        return Promise.resolve([{ address: '127.0.0.1', family: 4 }])
      },
    })
    expect(reason(rebound)).toBe('Refused SourceForbidden')
    expect(asked).toEqual(['adapters.test', 'rebound.test'])
    const mixed = await it.fetch(
      '/a/',
      {
        ...none,
        resolve: () =>
          Promise.resolve([
            { address: '93.184.215.14', family: 4 },
            { address: '127.0.0.1', family: 4 },
          ]),
      },
      { url: 'https://adapters.test/a/' },
    )
    expect(reason(mixed)).toBe('Refused SourceForbidden')
  })

  test('resolves its name once for each connection, and connects to what was checked', async () => {
    await using it = await bed()
    const asked: string[] = []
    const outcome = await it.fetch('/a/', {
      resolve: (host) => {
        asked.push(host)
        return Promise.resolve([{ address: '127.0.0.1', family: 4 }])
      },
    })
    expect(outcome.outcome).toBe('Stored')
    expect(asked.length).toBe(it.server.seen.length)
  })

  test('ends after five redirects', async () => {
    await using it = await bed()
    it.server.before = (_request, response) => {
      response.writeHead(302, { location: it.server.url('/a/again') }).end()
      return true
    }
    expect(reason(await it.fetch('/a/'))).toBe('Failed SourceUnreachable')
    expect(it.server.seen.length).toBe(6)
  })

  test('shows its credentials to its own host, and not to one it is sent on to', async () => {
    await using it = await bed()
    it.server.before = (request, response) => {
      if (request.headers.host?.startsWith('adapters.test') !== true) {
        return false
      }
      response
        .writeHead(307, { location: it.server.url(request.url ?? '', 'elsewhere.test') })
        .end()
      return true
    }
    const allow = { allowPrivateHosts: new Set(['adapters.test', 'elsewhere.test']) }
    const shown = () => new Set(it.server.seen.map((one) => `${one.host} ${one.authorization}`))
    const authorization = 'Bearer secret-of-the-tenant'
    expect(reason(await it.fetch('/a/', { ...allow, authorization }))).toBe('Stored')
    expect(shown()).toEqual(new Set([`adapters.test ${authorization}`, 'elsewhere.test undefined']))
    it.server.seen.length = 0
    await it.fetch('/a/', { ...allow, authorization, hosts: [`elsewhere.test:${it.server.port}`] })
    expect(shown()).toEqual(new Set(['adapters.test undefined', `elsewhere.test ${authorization}`]))
  })

  test('is not read with a certificate that nobody vouches for', async () => {
    await using it = await bed()
    expect(reason(await it.fetch('/a/', { ca: undefined }))).toBe('Failed SourceUnreachable')
  })
})
