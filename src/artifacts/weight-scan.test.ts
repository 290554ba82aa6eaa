import { closeSync, openSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { aTensor } from '../../test/support/adapter-builder.ts'
import type { TensorBuilder } from '../../test/support/adapter-builder.ts'
import { overflowsIn, vanishesIn, WeightScanner } from './weight-scan.ts'
import type { WeightStats } from './weight-scan.ts'

let work: string
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), 'loraplex-scan-'))
})
afterAll(() => rm(work, { recursive: true, force: true }))

const scanner = new WeightScanner()

/** Scans bytes that begin at an odd place of the file. */
function scan(bytes: Buffer, dtype: string): WeightStats {
  const path = join(work, 'weights')
  writeFileSync(path, Buffer.concat([Buffer.alloc(3), bytes]))
  const descriptor = openSync(path, 'r')
  try {
    return scanner.scan(descriptor, {
      name: 't',
      dtype,
      shape: [],
      offset: 3,
      byteLength: bytes.length,
    })
  } finally {
    closeSync(descriptor)
  }
}

function scanTensor(tensor: TensorBuilder): WeightStats {
  return scan(tensor.bytes(), tensor.dtype)
}

describe('WeightScanner', () => {
  it.each(['F32', 'F16', 'BF16'])('measures %s', (dtype) => {
    const { maxAbs, sumSquares } = scanTensor(
      aTensor('t', [100, 100]).as(dtype).filled(0.5).with(77, -4),
    )
    expect(maxAbs).toBe(4)
    expect(sumSquares).toBeCloseTo(9_999 * 0.25 + 16, 6)
  })

  it.each(['F32', 'F16', 'BF16'])(
    'finds one bad value anywhere in %s, over its pieces',
    (dtype) => {
      const tensor = aTensor('t', [600_000]).as(dtype)
      for (const [at, value] of [
        [0, NaN],
        [524_287, Infinity],
        [524_288, -Infinity],
        [599_999, NaN],
      ] as const) {
        expect(scanTensor(tensor.with(at, value)).maxAbs).toBe(Infinity)
      }
      expect(scanTensor(tensor).maxAbs).toBeCloseTo(0.01, 3)
    },
  )

  it('agrees with Float16Array on every 16-bit float', () => {
    const values = new Float16Array(Uint16Array.from({ length: 0x10000 }, (_, bits) => bits).buffer)
    const path = join(work, 'all')
    writeFileSync(path, new Uint8Array(values.buffer))
    const descriptor = openSync(path, 'r')
    const wrong = Array.from(values).filter((value, index) => {
      const { maxAbs } = scanner.scanPart(descriptor, 'F16', index * 2, 2)
      return maxAbs !== (Number.isNaN(value) ? Infinity : Math.abs(value))
    })
    closeSync(descriptor)
    expect(wrong).toEqual([])
  })

  it('holds a file that shrank for bad', () => {
    const path = join(work, 'short')
    writeFileSync(path, Buffer.alloc(8))
    const descriptor = openSync(path, 'r')
    const tensor = { name: 't', dtype: 'F32', shape: [4], offset: 0, byteLength: 16 }
    expect(scanner.scan(descriptor, tensor).maxAbs).toBe(Infinity)
    closeSync(descriptor)
  })
})

describe('the served dtype', () => {
  it('overflows and vanishes exactly where Float16Array rounds to infinity and zero', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (value) => {
        expect(overflowsIn('F16', value)).toBe(Math.f16round(value) === Infinity)
        expect(vanishesIn('F16', value)).toBe(Math.f16round(value) === 0)
      }),
    )
    expect(overflowsIn('F16', 65_519.99)).toBe(false)
    expect(overflowsIn('F16', 65_520)).toBe(true)
    expect(vanishesIn('F16', 2 ** -25)).toBe(true)
  })

  it('holds every finite bfloat16 and few float32 beyond', () => {
    expect(overflowsIn('BF16', 3.3895313892515355e38)).toBe(false)
    expect(overflowsIn('BF16', 3.4028234663852886e38)).toBe(true)
    expect(overflowsIn('BF16', NaN)).toBe(true)
  })
})
