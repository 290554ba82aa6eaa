// The depot's one right: Secrets by name, on a real API server with RBAC.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createSecretReader } from '../../src/cluster/secret-reader.ts'
import { createKubeClient } from '../../src/resources/kubernetes/kube-client.ts'
import { createTransport } from '../../src/resources/kubernetes/transport.ts'
import { createDepotClient } from '../../src/wire/depot-client.ts'
import { controllerToken } from '../../src/wire/internal-auth.ts'
import { clusterAccessOf } from '../support/cluster-access-of.ts'
import { serveFiles, testCertificate } from '../support/https-files.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'
import { startDepot } from '../support/start-depot.ts'

const api = sharedApiServer()
const never = new AbortController().signal

test('a depot that may only get Secrets reads the one that a source names', async () => {
  await using server = await serveFiles()
  server.before = (asked, response) => {
    response.writeHead(asked.headers.authorization === 'Bearer right' ? 404 : 401).end()
    return true
  }
  const account = await api().serviceAccount('depot-test', 'depot')
  const folder = await mkdtemp(join(tmpdir(), 'loraplex-depot-api-'))
  await writeFile(join(folder, 'secret'), Buffer.alloc(32, 1))
  const transport = createTransport(clusterAccessOf(account))
  const depot = await startDepot({
    cacheFolder: join(folder, 'cache'),
    secretFile: join(folder, 'secret'),
    sources: {
      allowPrivateHosts: new Set(['adapters.test']),
      resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
      readSecret: createSecretReader(createKubeClient({ transport, retries: 0 })),
    },
  })
  const client = createDepotClient({
    url: depot.url,
    token: controllerToken(Buffer.alloc(32, 1)),
  })
  const outcome = async () => {
    const secret = { namespace: 'depot-test', name: 'files' }
    const origin = { poolKey: 'depot-test/pool', namespace: 'depot-test', secret }
    const order = { uri: server.url('/a/'), expectedDigest: undefined, origin }
    const fetched = await client.fetch(order, never)
    return fetched.outcome === 'Stored' ? 'Stored' : fetched.problem
  }
  try {
    // No right yet.
    expect(await outcome()).toMatchObject({ reason: 'CredentialsInvalid' })
    const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/depot-test'
    await api().ask('POST', `${rbac}/roles`, {
      metadata: { name: 'depot' },
      rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }],
    })
    await api().ask('POST', `${rbac}/rolebindings`, {
      metadata: { name: 'depot' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'depot' },
      subjects: [{ kind: 'ServiceAccount', name: 'depot', namespace: 'depot-test' }],
    })
    await expect
      .poll(async () => JSON.stringify(await outcome()), { timeout: 10_000 })
      .toContain('There is no Secret')
    const made = await api().ask('POST', '/api/v1/namespaces/depot-test/secrets', {
      metadata: { name: 'files' },
      type: 'loraplex.dev/source',
      stringData: { authorization: 'Bearer right', 'ca.crt': testCertificate },
    })
    expect(made.status).toBe(201)
    expect(await outcome()).toMatchObject({ reason: 'SourceNotFound' })
    expect(JSON.stringify(await outcome())).not.toContain('Bearer right')
  } finally {
    await client.close()
    await depot.close()
    await transport.close()
    await rm(folder, { recursive: true, force: true })
  }
})
