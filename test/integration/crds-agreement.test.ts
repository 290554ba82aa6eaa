// zod and the API server read one object in one way: the same verdict, and the same defaults.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fieldProblemText } from '../../src/api/field-problem.ts'
import { kinds, type Kind } from '../../src/api/kinds.ts'
import { validateObject } from '../../src/api/validate.ts'
import { arbitrarySpecs } from '../support/arbitrary-specs.ts'
import { anObject, create, crdFolder } from '../support/crd-server.ts'
import { sharedApiServer } from '../support/shared-api-server.ts'

const api = sharedApiServer({ crdPaths: [crdFolder] })

test.each(Object.keys(kinds) as Kind[])('%s', async (kind) => {
  const verdicts = { taken: 0, refused: 0 }
  const readsAsWeDo = async (spec: object): Promise<void> => {
    const object = anObject(kind, spec)
    const { resource, problems } = validateObject(object, { oneMachine: false })
    const { status, body } = await create(api(), object, { dryRun: true })
    const words = { ours: problems.map(fieldProblemText), theirs: body.message }
    expect(status < 300, JSON.stringify(words)).toBe(resource !== undefined)
    if (resource === undefined) {
      verdicts.refused += 1
    } else {
      verdicts.taken += 1
      expect(body.spec).toEqual(resource.spec)
    }
  }
  await fc.assert(fc.asyncProperty(arbitrarySpecs[kind], readsAsWeDo), { numRuns: 400 })
  // Neither side may win by saying the same of everything.
  expect(verdicts.taken).toBeGreaterThan(10)
  expect(verdicts.refused).toBeGreaterThan(10)
})
