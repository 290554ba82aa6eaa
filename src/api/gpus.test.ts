import { expect, test } from 'vitest'
import { aPool } from '../../test/support/builders.ts'
import { gpusOf, tensorParallelOf } from './gpus.ts'

test.each([
  ['nothing asked for', undefined, 0],
  ['limits', { limits: { 'nvidia.com/gpu': '4', cpu: '8' } }, 4],
  ['requests alone', { requests: { 'amd.com/gpu': '2' } }, 2],
  [
    'both count once',
    { limits: { 'nvidia.com/gpu': '2' }, requests: { 'nvidia.com/gpu': '2' } },
    2,
  ],
  ['a MIG slice is no whole GPU', { limits: { 'nvidia.com/mig-3g.40gb': '1' } }, 0],
])('GPUs asked for: %s', (_name, resources, want) => {
  expect(gpusOf(resources)).toBe(want)
})

test('layers are shared by the GPUs asked for, unless the spec says otherwise', () => {
  const resources = { limits: { 'nvidia.com/gpu': 8 } }
  const of = (spec: Readonly<Record<string, unknown>>) =>
    tensorParallelOf(aPool('llama').with(spec).build().spec)
  expect(of({})).toBe(1)
  expect(of({ resources })).toBe(8)
  expect(of({ resources, engine: { parallelism: { pipeline: 2 } } })).toBe(4)
  expect(of({ resources, engine: { parallelism: { tensor: 2 } } })).toBe(2)
})
