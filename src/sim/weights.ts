import type { Harm } from './adapter-caches.ts'
import type { Tensor } from './safetensors.ts'

export interface WeightFacts {
  readonly harm: Harm
  readonly allZero: boolean
}

/** Beyond 2^20 a weight is no weight: such an update overflows the activations of everybody in the batch. */
const hugeExponent = 20

const sixteenBit: Readonly<Record<string, { readonly shift: number; readonly bias: number }>> = {
  BF16: { shift: 7, bias: 127 },
  F16: { shift: 10, bias: 15 },
}

/** Looks at every value of a tensor. Dtypes other than F16, BF16 and F32 are taken as harmless. */
export function weightFacts(tensor: Tensor): WeightFacts {
  const format = sixteenBit[tensor.dtype]
  if (format !== undefined) {
    return scan(words16(tensor.data), format.shift, format.bias, 0x7fff >>> format.shift)
  }
  if (tensor.dtype === 'F32') {
    return scan(words32(tensor.data), 23, 127, 0xff)
  }
  return { harm: 'None', allZero: false }
}

function scan(
  words: Uint16Array | Uint32Array,
  shift: number,
  bias: number,
  exponentMask: number,
): WeightFacts {
  let largest = 0
  let any = 0
  const signless = words instanceof Uint16Array ? 0x7fff : 0x7fffffff
  for (let i = 0; i < words.length; i++) {
    const word = (words[i] ?? 0) & signless
    any |= word
    const exponent = word >>> shift
    if (exponent > largest) {
      largest = exponent
    }
  }
  const harm =
    largest === exponentMask ? 'NonFinite' : largest - bias > hugeExponent ? 'Huge' : 'None'
  return { harm, allZero: any === 0 }
}

/** Typed arrays want aligned memory; a tensor's place in the file need not be. */
function words16(data: Buffer): Uint16Array {
  const whole = data.byteOffset % 2 === 0 ? data : Buffer.from(data)
  return new Uint16Array(whole.buffer, whole.byteOffset, whole.length >>> 1)
}

function words32(data: Buffer): Uint32Array {
  const whole = data.byteOffset % 4 === 0 ? data : Buffer.from(data)
  return new Uint32Array(whole.buffer, whole.byteOffset, whole.length >>> 2)
}
