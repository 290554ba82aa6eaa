export interface Tensor {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data: Buffer
}

/** A file that vLLM's safetensors refuses; the message is its words. */
export class SafetensorsRefusal extends Error {
  override readonly name = 'SafetensorsRefusal'
}

/** safetensors' own limit on a header. */
const maxHeaderBytes = 100_000_000

/** The tensors of a safetensors file, as views into `file`. Rejects what the Rust library rejects, in its words. */
export function readTensors(file: Buffer): readonly Tensor[] {
  if (file.length < 8) {
    throw refusal('header too small')
  }
  const headerBytes = Number(file.readBigUInt64LE(0))
  if (headerBytes > maxHeaderBytes) {
    throw refusal('header too large')
  }
  if (8 + headerBytes > file.length) {
    throw refusal('invalid header length')
  }
  const body = file.subarray(8 + headerBytes)
  const tensors: Tensor[] = []
  let end = 0
  for (const [name, entry] of Object.entries(parseHeader(file.subarray(8, 8 + headerBytes)))) {
    if (name !== '__metadata__') {
      const [from, to] = entry.data_offsets
      tensors.push({ name, dtype: entry.dtype, shape: entry.shape, data: body.subarray(from, to) })
      end = Math.max(end, to)
    }
  }
  if (end !== body.length) {
    throw refusal('incomplete metadata, file not fully covered')
  }
  return tensors
}

interface HeaderEntry {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

function parseHeader(bytes: Buffer): Readonly<Record<string, HeaderEntry>> {
  try {
    return JSON.parse(bytes.toString('utf8')) as Readonly<Record<string, HeaderEntry>>
  } catch {
    throw refusal('invalid JSON in header')
  }
}

function refusal(reason: string): SafetensorsRefusal {
  return new SafetensorsRefusal(`Error while deserializing header: ${reason}`)
}
