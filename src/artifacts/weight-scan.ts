import { readSync } from 'node:fs'
import { BugError } from '../errors.ts'
import type { Tensor } from './safetensors.ts'

/** Number formats that adapters may come in. */
export const scannableDtypes: readonly string[] = ['F16', 'BF16', 'F32']

/** What vLLM casts adapter weights to. */
export type ServedDtype = 'F16' | 'BF16'

export interface WeightStats {
  /** NaN counts as infinity. */
  readonly maxAbs: number
  /** Infinity or NaN where `maxAbs` is infinite. */
  readonly sumSquares: number
}

const chunkBytes = 1 << 20

/** Reads tensors in pieces of 1 MiB into one buffer, whatever their size. Little-endian machines only, as Node's are. */
export class WeightScanner {
  readonly #buffer = new ArrayBuffer(chunkBytes)

  /** Throws Node's error where the file cannot be read. */
  scan(descriptor: number, tensor: Tensor): WeightStats {
    let total: WeightStats = { maxAbs: 0, sumSquares: 0 }
    for (let done = 0; done < tensor.byteLength; done += chunkBytes) {
      const bytes = Math.min(chunkBytes, tensor.byteLength - done)
      total = merge(total, this.scanPart(descriptor, tensor.dtype, tensor.offset + done, bytes))
    }
    return total
  }

  /** At most 1 MiB at `position` of the file. */
  scanPart(descriptor: number, dtype: string, position: number, bytes: number): WeightStats {
    const view = new Uint8Array(this.#buffer, 0, bytes)
    let read = 0
    while (read < bytes) {
      const count = readSync(descriptor, view, read, bytes - read, position + read)
      if (count === 0) {
        // The header promised these bytes: the file shrank since.
        return { maxAbs: Infinity, sumSquares: Infinity }
      }
      read += count
    }
    switch (dtype) {
      case 'BF16':
        return scanHalves(new Uint16Array(this.#buffer, 0, bytes / 2), bfloat16())
      case 'F16':
        return scanHalves(new Uint16Array(this.#buffer, 0, bytes / 2), float16())
      case 'F32':
        return scanFloats(new Float32Array(this.#buffer, 0, bytes / 4))
      default:
        throw new BugError(`dtype ${dtype} cannot be scanned`)
    }
  }
}

function merge(a: WeightStats, b: WeightStats): WeightStats {
  return { maxAbs: Math.max(a.maxAbs, b.maxAbs), sumSquares: a.sumSquares + b.sumSquares }
}

/** Values of the 32,768 magnitudes of a 16-bit format and their squares; NaN reads as infinity. */
interface HalfFormat {
  readonly values: Float64Array
  readonly squares: Float64Array
}

function scanHalves(words: Uint16Array, format: HalfFormat): WeightStats {
  // Without the sign bit, 16-bit floats sort like integers: infinity and NaN are the largest.
  const { squares } = format
  let largest = 0
  let sumSquares = 0
  for (let index = 0; index < words.length; index++) {
    const magnitude = (words[index] ?? 0) & 0x7fff
    largest = magnitude > largest ? magnitude : largest
    sumSquares += squares[magnitude] ?? 0
  }
  return { maxAbs: format.values[largest] ?? Infinity, sumSquares }
}

function scanFloats(values: Float32Array): WeightStats {
  let maxAbs = 0
  let sumSquares = 0
  for (let index = 0; index < values.length; index++) {
    const value = Math.abs(values[index] ?? 0)
    maxAbs = value > maxAbs ? value : maxAbs
    sumSquares += value * value
  }
  return Number.isNaN(sumSquares)
    ? { maxAbs: Infinity, sumSquares: Infinity }
    : { maxAbs, sumSquares }
}

let bfloat16Format: HalfFormat | undefined
let float16Format: HalfFormat | undefined

function bfloat16(): HalfFormat {
  bfloat16Format ??= tabulate((bits) => {
    const words = new Uint32Array([bits << 16])
    return new Float32Array(words.buffer)[0] ?? 0
  })
  return bfloat16Format
}

function float16(): HalfFormat {
  float16Format ??= tabulate((bits) => {
    const exponent = bits >> 10
    const fraction = bits & 0x3ff
    if (exponent === 31) {
      return Infinity
    }
    return exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15)
  })
  return float16Format
}

function tabulate(valueOf: (bits: number) => number): HalfFormat {
  const values = Float64Array.from({ length: 0x8000 }, (_, bits) => {
    const value = valueOf(bits)
    return Number.isNaN(value) ? Infinity : value
  })
  return { values, squares: values.map((value) => value * value) }
}

/** Largest magnitude that still rounds to a finite number, and the smallest that does not round to zero (both exclusive). */
const ranges: Readonly<
  Record<ServedDtype, { readonly overflow: number; readonly vanish: number }>
> = {
  // Halfway between 65504 and the next step; half of the smallest subnormal 2⁻²⁴.
  F16: { overflow: 65_520, vanish: 2 ** -25 },
  // Halfway between 0x7f7f and 2¹²⁸; half of the smallest subnormal 2⁻¹³³.
  BF16: { overflow: (2 - 2 ** -8) * 2 ** 127, vanish: 2 ** -134 },
}

/** True where a value of this magnitude becomes infinite (round to nearest, ties to even). */
export function overflowsIn(dtype: ServedDtype, magnitude: number): boolean {
  return !(magnitude < ranges[dtype].overflow)
}

/** True where a value of this magnitude becomes zero. */
export function vanishesIn(dtype: ServedDtype, magnitude: number): boolean {
  return magnitude <= ranges[dtype].vanish
}
