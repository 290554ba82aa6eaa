// Builders for adapters, right and wrong, as files.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const sizes: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F64: 8 }

/** A tensor to write; every method gives a changed copy. */
export class TensorBuilder {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: string
  readonly fill: number
  readonly changes: ReadonlyMap<number, number>

  constructor(
    name: string,
    shape: readonly number[],
    dtype = 'BF16',
    fill = 0.01,
    changes: ReadonlyMap<number, number> = new Map(),
  ) {
    this.name = name
    this.shape = shape
    this.dtype = dtype
    this.fill = fill
    this.changes = changes
  }

  named(name: string): TensorBuilder {
    return new TensorBuilder(name, this.shape, this.dtype, this.fill, this.changes)
  }

  shaped(shape: readonly number[]): TensorBuilder {
    return new TensorBuilder(this.name, shape, this.dtype, this.fill, this.changes)
  }

  as(dtype: string): TensorBuilder {
    return new TensorBuilder(this.name, this.shape, dtype, this.fill, this.changes)
  }

  filled(fill: number): TensorBuilder {
    return new TensorBuilder(this.name, this.shape, this.dtype, fill, this.changes)
  }

  with(index: number, value: number): TensorBuilder {
    const changes = new Map(this.changes).set(index, value)
    return new TensorBuilder(this.name, this.shape, this.dtype, this.fill, changes)
  }

  bytes(): Buffer {
    const count = this.shape.reduce((product, size) => product * size, 1)
    const values = new Float32Array(count).fill(this.fill)
    for (const [index, value] of this.changes) {
      values[index] = value
    }
    switch (this.dtype) {
      case 'F32':
        return Buffer.from(values.buffer)
      case 'F16':
        return Buffer.from(new Float16Array(values).buffer)
      case 'BF16':
        return Buffer.from(upperHalves(new Uint32Array(values.buffer)).buffer)
      default:
        return Buffer.alloc(count * (sizes[this.dtype] ?? 1))
    }
  }
}

function upperHalves(words: Uint32Array): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(words.length)
  for (let index = 0; index < words.length; index++) {
    halves[index] = (words[index] ?? 0) >>> 16
  }
  return halves
}

export function aTensor(name: string, shape: readonly number[]): TensorBuilder {
  return new TensorBuilder(name, shape)
}

export class LoraBuilder {
  readonly tensors: readonly TensorBuilder[]
  readonly config: Readonly<Record<string, unknown>>

  constructor(tensors: readonly TensorBuilder[], config: Readonly<Record<string, unknown>>) {
    this.tensors = tensors
    this.config = config
  }

  with(fields: Readonly<Record<string, unknown>>): LoraBuilder {
    return new LoraBuilder(this.tensors, { ...this.config, ...fields })
  }
}

/** A LoRA of rank 4 and alpha 8 on tiny-llama with these tensors. */
export function aLora(...tensors: readonly TensorBuilder[]): LoraBuilder {
  return new LoraBuilder(tensors, {
    peft_type: 'LORA',
    base_model_name_or_path: 'tiny-llama',
    r: 4,
    lora_alpha: 8,
    target_modules: ['q_proj'],
  })
}

/** A whole safetensors file. */
export function safetensorsOf(tensors: readonly TensorBuilder[]): Buffer {
  const data = tensors.map((tensor) => tensor.bytes())
  let offset = 0
  const entries = tensors.map(({ name, dtype, shape }, index) => {
    const begin = offset
    offset += data[index]?.length ?? 0
    return [name, { dtype, shape, data_offsets: [begin, offset] }] as const
  })
  return safetensorsFile(JSON.stringify(Object.fromEntries(entries)), Buffer.concat(data))
}

/** A header as given, right or wrong, and data after it. */
export function safetensorsFile(header: string | Buffer, data: Buffer): Buffer {
  const json = Buffer.from(header)
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([prefix, json, data])
}

export async function writeAdapter(folder: string, lora: LoraBuilder): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(lora.config))
  await writeFile(join(folder, 'adapter_model.safetensors'), safetensorsOf(lora.tensors))
}
