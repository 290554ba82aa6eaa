import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readText } from '../resources/directory/read-text.ts'
import type { TenantKey } from '../api/tenant-key.ts'
import { endInText, keyManifestText } from './key-files.ts'
import { mintKey } from '../resources/minted-key.ts'

const sha256 = 'ab'.repeat(32)
const key: TenantKey = {
  kind: 'TenantKey',
  metadata: {
    name: 'laptop',
    namespace: 'acme',
    labels: {},
    annotations: {},
    uid: '',
    creationTimeMs: 0,
    generation: 1,
  },
  spec: { sha256, revoked: false },
}

const head = '# Keys of acme.\napiVersion:   loraplex.dev/v1alpha1\nkind: TenantKey\n'

describe('revoking changes one field and no other byte', () => {
  test.each([
    [
      'a block',
      `${head}metadata: {name: laptop, namespace: acme}\nspec:\n    id: a   # id\n    sha256: ${sha256}   # hash\n`,
      `    revoked: true\n    sha256`,
    ],
    [
      'a flow',
      `${head}metadata: {name: laptop, namespace: acme}\nspec: { sha256: "${sha256}" } # x\n`,
      '{ revoked: true, sha256',
    ],
    [
      'a written false',
      `${head}metadata: {name: laptop, namespace: acme}\nspec:\n  revoked: false # no\n  sha256: ${sha256}\n`,
      'revoked: true # no',
    ],
    [
      'an empty field',
      `${head}metadata: {name: laptop, namespace: acme}\nspec:\n  sha256: ${sha256}\n  revoked:\n`,
      'revoked: true\n',
    ],
    [
      'an item of a list',
      `apiVersion: v1\nkind: List\nitems:\n  - apiVersion: loraplex.dev/v1alpha1\n    kind: TenantKey\n    metadata: {name: laptop, namespace: acme}\n    spec:\n      sha256: ${sha256}\n`,
      '      revoked: true\n      sha256',
    ],
    [
      'a later document',
      `a: 1\n---\n${head}metadata: {name: laptop, namespace: acme}\nspec:\n  sha256: ${sha256}\n---\nb: 2\n`,
      '  revoked: true\n  sha256',
    ],
  ])('%s', async (_name, text, want) => {
    const edited = endInText(text, key, { revoked: true }) ?? ''
    expect(edited).toContain(want)
    expect(
      edited.split(/\s+|[{},]/).filter((word) => !['revoked:', 'true', ''].includes(word)),
    ).toEqual(text.split(/\s+|[{},]/).filter((word) => !['revoked:', 'false', ''].includes(word)))
    const { reading } = await readText(edited)
    const keys = reading.outcome === 'Read' ? reading.objects : []
    expect(
      keys.flatMap((one) =>
        one.outcome === 'Own' && one.object?.kind === 'TenantKey' ? [one.object.spec.revoked] : [],
      ),
    ).toEqual([true])
    expect(endInText(edited, key, { revoked: true })).toBe(edited)
  })

  test.each([
    ['another key', `${head}metadata: {name: other, namespace: acme}\nspec: {sha256: ${sha256}}\n`],
    [
      'a spec behind an alias',
      `x: &x {sha256: ${sha256}}\n${head}metadata: {name: laptop, namespace: acme}\nspec: *x\n`,
    ],
    [
      'a broken file',
      `${head}metadata: {name: laptop, namespace: acme}\nspec: {sha256: ${sha256}}\n---\na: [\n`,
    ],
  ])('%s is left alone', (_name, text) => {
    expect(endInText(text, key, { revoked: true })).toBeUndefined()
  })
})

test('a minted key is one that we take, and its object does not hold it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constant(undefined), async () => {
      const minted = mintKey()
      expect(minted.key).toMatch(/^lpx_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$/)
      const text = keyManifestText({
        name: 'k',
        namespace: 'acme',
        spec: { id: minted.id, sha256: minted.sha256 },
      })
      expect(text).not.toContain(minted.key.slice(17))
      const { reading } = await readText(text)
      expect(reading).toMatchObject({
        outcome: 'Read',
        objects: [{ problems: [], identity: 'TenantKey/acme/k' }],
      })
    }),
    { numRuns: 50 },
  )
})
