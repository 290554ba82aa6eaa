import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aTensor, safetensorsFile, safetensorsOf } from '../../test/support/adapter-builder.ts'
import { maxHeaderBytes, parseSafetensorsHeader, readSafetensorsHeader } from './safetensors.ts'
import type { HeaderOutcome } from './safetensors.ts'

let work: string
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'loraplex-safetensors-'))
})
afterAll(() => rm(work, { recursive: true, force: true }))

function parse(file: Buffer): HeaderOutcome {
  const length = Number(file.readBigUInt64LE())
  return parseSafetensorsHeader(file.subarray(8, 8 + length), file.length, 'x.safetensors')
}

function reasonOf(outcome: HeaderOutcome): string {
  return outcome.ok ? 'taken' : outcome.problem.reason
}

const small = safetensorsOf([
  aTensor('a.lora_A.weight', [2, 3]),
  aTensor('a.lora_B.weight', [3, 2]).as('F32'),
])

describe('readSafetensorsHeader', () => {
  it('tells names, shapes and places', async () => {
    const path = join(work, 'small.safetensors')
    await writeFile(path, small)
    const start = small.length - 36
    expect(readSafetensorsHeader(path)).toEqual({
      ok: true,
      header: {
        fileBytes: small.length,
        tensors: [
          { name: 'a.lora_A.weight', dtype: 'BF16', shape: [2, 3], offset: start, byteLength: 12 },
          {
            name: 'a.lora_B.weight',
            dtype: 'F32',
            shape: [3, 2],
            offset: start + 12,
            byteLength: 24,
          },
        ],
      },
    })
  })

  it('refuses a file cut at any byte, and one with any byte more', async () => {
    const path = join(work, 'cut.safetensors')
    await writeFile(path, Buffer.concat([small, Buffer.alloc(1)]))
    expect(reasonOf(readSafetensorsHeader(path))).toBe('WeightsMalformed')
    for (let length = small.length - 1; length >= 0; length--) {
      await truncate(path, length)
      expect(reasonOf(readSafetensorsHeader(path)), `${length} bytes`).toBe('WeightsTruncated')
    }
  })

  it('refuses what is no regular file', () => {
    expect(reasonOf(readSafetensorsHeader(work))).toBe('WeightsMalformed')
    expect(reasonOf(readSafetensorsHeader('/dev/zero'))).toBe('WeightsMalformed')
  })

  it('allocates nothing for a header it will not read', async () => {
    const path = join(work, 'bomb.safetensors')
    for (const length of [BigInt(maxHeaderBytes) + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const prefix = Buffer.alloc(8)
      prefix.writeBigUInt64LE(length)
      await writeFile(path, prefix)
      expect(reasonOf(readSafetensorsHeader(path))).toBe('HeaderTooLarge')
    }
  })
})

describe('a header', () => {
  const entry = (shape: string, offsets: string, dtype = '"F32"'): string =>
    `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`
  const data = Buffer.alloc(8)

  it.each([
    ['one tensor', `{"a":${entry('[2]', '[0,8]')}}`, 'taken'],
    ['spaces at its end', `{"a":${entry('[2]', '[0,8]')}}    `, 'taken'],
    ['metadata', `{"__metadata__":{"format":"pt"},"a":${entry('[2]', '[0,8]')}}`, 'taken'],
    [
      'tensors out of order',
      `{"b":${entry('[1]', '[4,8]')},"a":${entry('[1]', '[0,4]')}}`,
      'taken',
    ],
    [
      'an empty tensor between',
      `{"a":${entry('[1]', '[0,4]')},"b":${entry('[0]', '[4,4]')},"c":${entry('[1]', '[4,8]')}}`,
      'taken',
    ],
    ['a scalar', `{"a":${entry('[]', '[0,4]')},"b":${entry('[]', '[4,8]')}}`, 'taken'],
    ['a space before it', ` {"a":${entry('[2]', '[0,8]')}}`, 'WeightsMalformed'],
    [
      'the same name twice',
      `{"a":${entry('[2]', '[0,8]')},"a":${entry('[2]', '[0,8]')}}`,
      'WeightsMalformed',
    ],
    [
      'the same name in another spelling',
      String.raw`{"a":${entry('[2]', '[0,8]')},"\u0061":${entry('[2]', '[0,8]')}}`,
      'WeightsMalformed',
    ],
    [
      'a field twice',
      `{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}`,
      'WeightsMalformed',
    ],
    [
      'a field too many',
      `{"a":{"dtype":"F32","shape":[2],"more":[2],"data_offsets":[0,8]}}`,
      'WeightsMalformed',
    ],
    [
      'overlapping tensors',
      `{"a":${entry('[2]', '[0,8]')},"b":${entry('[1]', '[4,8]')}}`,
      'WeightsMalformed',
    ],
    [
      'twice the same place',
      `{"a":${entry('[2]', '[0,8]')},"b":${entry('[2]', '[0,8]')}}`,
      'WeightsMalformed',
    ],
    ['a hole at the start', `{"a":${entry('[1]', '[4,8]')}}`, 'WeightsMalformed'],
    [
      'a hole in the middle',
      `{"a":${entry('[1]', '[0,4]')},"b":${entry('[1]', '[5,9]')}}`,
      'WeightsMalformed',
    ],
    ['bytes nobody owns', `{"a":${entry('[1]', '[0,4]')}}`, 'WeightsMalformed'],
    ['offsets that run backwards', `{"a":${entry('[2]', '[8,0]')}}`, 'WeightsMalformed'],
    ['three offsets', `{"a":${entry('[2]', '[0,8,8]')}}`, 'WeightsMalformed'],
    ['negative offsets', `{"a":${entry('[2]', '[-8,0]')}}`, 'WeightsMalformed'],
    ['negative sizes', `{"a":${entry('[-1,-2]', '[0,8]')}}`, 'WeightsMalformed'],
    [
      'a shape that overflows 64 bits to the right size',
      `{"a":${entry('[4294967296,4294967296,2]', '[0,8]')}}`,
      'WeightsMalformed',
    ],
    [
      'a shape beyond exact numbers',
      `{"a":${entry('[9007199254740993]', '[0,8]')}}`,
      'WeightsMalformed',
    ],
    [
      'a huge shape with a zero',
      `{"a":${entry('[9007199254740991,9007199254740991,0]', '[0,0]')},"b":${entry('[2]', '[0,8]')}}`,
      'taken',
    ],
    ['more data than the file has', `{"a":${entry('[4]', '[0,16]')}}`, 'WeightsTruncated'],
    ['an unknown dtype', `{"a":${entry('[2]', '[0,8]', '"F31"')}}`, 'WeightsMalformed'],
    [
      'a dtype of the prototype',
      `{"a":${entry('[2]', '[0,8]', '"constructor"')}}`,
      'WeightsMalformed',
    ],
    ['half a byte', `{"a":${entry('[1]', '[0,0]', '"F4"')}}`, 'WeightsMalformed'],
    ['a name with a slash', `{"a/../b":${entry('[2]', '[0,8]')}}`, 'WeightsMalformed'],
    ['an empty name', `{"":${entry('[2]', '[0,8]')}}`, 'WeightsMalformed'],
    ['a name with a line break', String.raw`{"a\nb":${entry('[2]', '[0,8]')}}`, 'WeightsMalformed'],
    [
      'metadata that is no map',
      `{"__metadata__":[],"a":${entry('[2]', '[0,8]')}}`,
      'WeightsMalformed',
    ],
    [
      'metadata that nests',
      `{"__metadata__":{"a":{"b":{}}},"a":${entry('[2]', '[0,8]')}}`,
      'WeightsMalformed',
    ],
    ['a list in place of a map', '[]', 'WeightsMalformed'],
    ['a string in place of an entry', '{"a":"b"}', 'WeightsMalformed'],
    ['nine dimensions', `{"a":${entry('[2,1,1,1,1,1,1,1,1]', '[0,8]')}}`, 'WeightsMalformed'],
  ])('with %s', (_, header, want) => {
    expect(reasonOf(parse(safetensorsFile(header, data)))).toBe(want)
  })

  it('with no tensors at all is only right without data', () => {
    expect(reasonOf(parse(safetensorsFile('{}', Buffer.alloc(0))))).toBe('taken')
    expect(reasonOf(parse(safetensorsFile('{}', data)))).toBe('WeightsMalformed')
  })

  it(
    'with more tensors than are allowed costs a bounded time and no crash',
    { timeout: 30_000 },
    () => {
      const names = Array.from(
        { length: 80_001 },
        (_, index) => `"t${index}":${entry('[0]', '[0,0]')}`,
      )
      expect(reasonOf(parse(safetensorsFile(`{${names.join()}}`, Buffer.alloc(0))))).toBe(
        'HeaderTooLarge',
      )
      expect(reasonOf(parse(safetensorsFile(`{${names.slice(1).join()}}`, Buffer.alloc(0))))).toBe(
        'taken',
      )
    },
  )

  it('with any one byte changed is refused or still describes its file exactly', () => {
    const length = Number(small.readBigUInt64LE())
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 7 + length }),
        fc.integer({ min: 0, max: 255 }),
        (at, byte) => {
          const file = Buffer.from(small)
          file[at] = byte
          const outcome = parse(file)
          if (outcome.ok) {
            const bytes = outcome.header.tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0)
            expect(8 + length + bytes).toBe(file.length)
          }
        },
      ),
      { numRuns: 3_000 },
    )
  })

  it('of any tensors is read back as it was written', () => {
    const tensor = fc.record({
      shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }),
      dtype: fc.constantFrom('F32', 'F16', 'BF16', 'F8_E4M3'),
    })
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 8 }), (list) => {
        const tensors = list.map(({ shape, dtype }, index) =>
          aTensor(`t.${index}`, shape).as(dtype),
        )
        const outcome = parse(safetensorsOf(tensors))
        const read = outcome.ok ? outcome.header.tensors : []
        expect(
          read
            .map(({ name, dtype, shape }) => ({ name, dtype, shape }))
            .toSorted((a, b) => a.name.localeCompare(b.name)),
        ).toEqual(tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })))
      }),
    )
  })
})
