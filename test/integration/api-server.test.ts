import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { sharedApiServer } from '../support/shared-api-server.ts'

const run = promisify(execFile)
const api = sharedApiServer()

const readsPods = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'Role',
  metadata: { name: 'reads-pods' },
  rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }],
}

async function grant(namespace: string, subject: object): Promise<void> {
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`
  await api().ask('POST', `${path}/roles`, readsPods)
  const binding = {
    metadata: { name: 'reads-pods' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reads-pods' },
    subjects: [subject],
  }
  expect(await api().ask('POST', `${path}/rolebindings`, binding)).toMatchObject({ status: 201 })
}

describe('the API server of the tests', () => {
  test('keeps what it is given', async () => {
    await api().createNamespace('kept', { team: 'a' })
    const { status, body } = await api().ask('GET', '/api/v1/namespaces/kept')
    expect(status).toBe(200)
    expect(body.metadata.labels).toMatchObject({ team: 'a' })
  })

  test('answers 404 for what is not there', async () => {
    expect(await api().ask('GET', '/api/v1/namespaces/absent')).toMatchObject({
      status: 404,
      body: { reason: 'NotFound' },
    })
  })

  test('lets a service account do what its role says, and no more', async () => {
    // Its own in every attempt: what was granted stays.
    const namespace = `rights-${randomUUID()}`
    const account = await api().serviceAccount(namespace, 'reader')
    const pods = `/api/v1/namespaces/${namespace}/pods`
    expect(await api().ask('GET', pods, undefined, account)).toMatchObject({ status: 403 })
    await grant(namespace, { kind: 'ServiceAccount', name: 'reader', namespace })
    await expect
      .poll(async () => (await api().ask('GET', pods, undefined, account)).status)
      .toBe(200)
    const secrets = `/api/v1/namespaces/${namespace}/secrets`
    expect(await api().ask('GET', secrets, undefined, account)).toMatchObject({ status: 403 })
  })

  test('knows a user by certificate', async () => {
    const user = await api().userNamed('jo', ['platform'])
    const review = await api().ask(
      'POST',
      '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      user,
    )
    expect(review.body.status.userInfo).toMatchObject({
      username: 'jo',
      groups: expect.arrayContaining(['platform']),
    })
  })

  test('refuses a token that it did not issue', async () => {
    const account = await api().serviceAccount('rights', 'reader')
    const forged = { ...account, token: `${account.token?.slice(0, -8)}AAAAAAAA` }
    expect(await api().ask('GET', '/api', undefined, forged)).toMatchObject({ status: 401 })
  })

  test.each(['administrator', 'service account'])('is reached by kubectl as %s', async (who) => {
    const access =
      who === 'administrator' ? api().admin : await api().serviceAccount('rights', 'reader')
    const { stdout } = await run('kubectl', [
      `--kubeconfig=${access.kubeconfigPath}`,
      'auth',
      'whoami',
      '-o=jsonpath={.status.userInfo.username}',
    ])
    expect(stdout).toBe(
      who === 'administrator' ? 'envtest-admin' : 'system:serviceaccount:rights:reader',
    )
  })
})
