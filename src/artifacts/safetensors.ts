import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { constants } from 'node:fs'
import { basename } from 'node:path'
import { problem, quoted } from './problems.ts'
import { parseStrictJson } from './strict-json.ts'
import type { AdapterProblem } from './types.ts'

/** Bits an element takes, by safetensors' own names. */
const dtypeBits = new Map(
  Object.entries({
    BOOL: 8,
    U8: 8,
    I8: 8,
    U16: 16,
    I16: 16,
    U32: 32,
    I32: 32,
    U64: 64,
    I64: 64,
    F16: 16,
    BF16: 16,
    F32: 32,
    F64: 64,
    C64: 64,
    F4: 4,
    F6_E2M3: 6,
    F6_E3M2: 6,
    F8_E4M3: 8,
    F8_E5M2: 8,
    F8_E8M0: 8,
    F8_E4M3FNUZ: 8,
    F8_E5M2FNUZ: 8,
  }),
)

/** Research: reliability-security 4.3. A LoRA of a 128-expert model has about 72,000 tensors in 10 MB of header. */
export const maxHeaderBytes = 16 * 1024 * 1024
export const maxTensors = 80_000
const maxDimensions = 8
const maxMetadataKeys = 10_000
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,511}$/

export interface Tensor {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** From the start of the file, in bytes. */
  readonly offset: number
  readonly byteLength: number
}

export interface SafetensorsHeader {
  /** In the order of their data. */
  readonly tensors: readonly Tensor[]
  readonly fileBytes: number
}

export interface HeaderRules {
  /** A file that ends right after its header passes: what a depot has of a base. Its data cannot be read. */
  readonly mayBeCut?: boolean
}

export type HeaderOutcome =
  | { readonly ok: true; readonly header: SafetensorsHeader }
  | { readonly ok: false; readonly problem: AdapterProblem }

/**
 * Reads and checks the header of one safetensors file; the data stays unread. At least as strict as the reference
 * reader, so that what passes here means the same to the engine. Throws Node's error where the file cannot be read.
 */
export function readSafetensorsHeader(path: string, rules: HeaderRules = {}): HeaderOutcome {
  // Not blocking: a pipe in place of the file must not hold the worker.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return readHeader(descriptor, basename(path), rules)
  } finally {
    closeSync(descriptor)
  }
}

function readHeader(descriptor: number, file: string, rules: HeaderRules): HeaderOutcome {
  const stat = fstatSync(descriptor)
  if (!stat.isFile()) {
    return refused('WeightsMalformed', `${file} is not a regular file.`)
  }
  const prefix = Buffer.alloc(8)
  if (stat.size < 8 || !readFully(descriptor, prefix, 0)) {
    return truncated(file, 'it ends before its header')
  }
  const headerBytes = prefix.readBigUInt64LE()
  if (headerBytes > BigInt(maxHeaderBytes)) {
    return refused(
      'HeaderTooLarge',
      `${file} announces a header of ${headerBytes} bytes; at most ${maxHeaderBytes} are read. The file is damaged or hostile: save the adapter again with PEFT's save_pretrained.`,
    )
  }
  const header = Buffer.alloc(Number(headerBytes))
  if (8 + header.length > stat.size || !readFully(descriptor, header, 8)) {
    return truncated(file, 'it ends inside its header')
  }
  return parseSafetensorsHeader(header, stat.size, file, rules)
}

/** The pure half: `header` is the JSON after the 8-byte length, `fileBytes` the size of the whole file. */
export function parseSafetensorsHeader(
  header: Uint8Array,
  fileBytes: number,
  file: string,
  rules: HeaderRules = {},
): HeaderOutcome {
  if (header[0] !== 0x7b) {
    return malformed(file, 'its header does not begin with {')
  }
  const json = parseStrictJson(header, {
    maxDepth: 3,
    maxKeys: maxTensors * 4 + maxMetadataKeys,
    unsignedIntegersOnly: true,
  })
  if (!json.ok) {
    return malformed(file, `in its header, ${json.detail}`)
  }
  const tensors: Tensor[] = []
  for (const [name, entry] of Object.entries(json.value as Record<string, unknown>)) {
    const detail =
      name === '__metadata__'
        ? metadataDetail(entry)
        : addTensor(tensors, name, entry, 8 + header.length)
    if (detail !== undefined) {
      return malformed(file, detail)
    }
  }
  if (tensors.length > maxTensors) {
    return refused(
      'HeaderTooLarge',
      `${file} holds ${tensors.length} tensors; at most ${maxTensors} are read.`,
    )
  }
  const wholeBytes = tensors.reduce((sum, tensor) => sum + tensor.byteLength, 8 + header.length)
  const isCut = rules.mayBeCut === true && fileBytes === 8 + header.length
  return checkLayout(tensors, 8 + header.length, isCut ? wholeBytes : fileBytes, file)
}

/** Data must lie end to end from 0 to the end of the file: bytes that no tensor owns could carry anything. */
function checkLayout(
  tensors: Tensor[],
  dataStart: number,
  fileBytes: number,
  file: string,
): HeaderOutcome {
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength)
  let end = dataStart
  for (const tensor of tensors) {
    if (tensor.offset !== end) {
      const what = tensor.offset > end ? 'leaves a hole before' : 'overlaps'
      return malformed(file, `its data ${what} tensor ${quoted(tensor.name)}`)
    }
    end += tensor.byteLength
  }
  if (end > fileBytes) {
    return truncated(file, `${fileBytes} of ${end} bytes are there`)
  }
  return end < fileBytes
    ? malformed(file, `${fileBytes - end} bytes follow the last tensor`)
    : { ok: true, header: { tensors, fileBytes } }
}

function metadataDetail(entry: unknown): string | undefined {
  return isObject(entry) && Object.values(entry).every((value) => typeof value === 'string')
    ? undefined
    : '__metadata__ is not a map of strings'
}

function addTensor(
  tensors: Tensor[],
  name: string,
  entry: unknown,
  dataStart: number,
): string | undefined {
  if (!namePattern.test(name)) {
    return `the tensor name ${quoted(name)} holds characters that are not allowed`
  }
  if (!isObject(entry) || Object.keys(entry).length !== 3) {
    return `tensor ${quoted(name)} is not described by dtype, shape and data_offsets`
  }
  const { dtype, shape, data_offsets: offsets } = entry
  const bits = typeof dtype === 'string' ? dtypeBits.get(dtype) : undefined
  if (typeof dtype !== 'string' || bits === undefined) {
    return `tensor ${quoted(name)} has an unknown dtype`
  }
  if (!isSizes(shape) || shape.length > maxDimensions || !isSizes(offsets)) {
    return `tensor ${quoted(name)} has no valid shape or data_offsets`
  }
  const [begin, end] = offsets
  if (offsets.length !== 2 || begin === undefined || end === undefined || end < begin) {
    return `tensor ${quoted(name)} has data_offsets that run backwards`
  }
  if (bytesOf(shape, bits) !== end - begin) {
    return `the shape of tensor ${quoted(name)} does not match its length`
  }
  tensors.push({ name, dtype, shape, offset: dataStart + begin, byteLength: end - begin })
  return undefined
}

/** Bytes of a shape; undefined where it overflows or is no whole number. */
function bytesOf(shape: readonly number[], bits: number): number | undefined {
  // A zero anywhere makes the product zero, whatever overflowed before it.
  const elements = shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1)
  const bytes = (elements * bits) / 8
  return Number.isSafeInteger(elements * bits) && Number.isInteger(bytes) ? bytes : undefined
}

function isSizes(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && Number(size) >= 0)
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** False where the file ends before the buffer is full. */
function readFully(descriptor: number, buffer: Uint8Array, position: number): boolean {
  let done = 0
  while (done < buffer.length) {
    const count = readSync(descriptor, buffer, done, buffer.length - done, position + done)
    if (count === 0) {
      return false
    }
    done += count
  }
  return true
}

function truncated(file: string, detail: string): HeaderOutcome {
  return refused(
    'WeightsTruncated',
    `${file} is cut off: ${detail}. Copy or upload the file again.`,
  )
}

function malformed(file: string, detail: string): HeaderOutcome {
  return refused(
    'WeightsMalformed',
    `${file} is not a valid safetensors file: ${detail}. Save the adapter again with PEFT's save_pretrained.`,
  )
}

function refused(
  reason: 'WeightsTruncated' | 'WeightsMalformed' | 'HeaderTooLarge',
  message: string,
): HeaderOutcome {
  return { ok: false, problem: problem(reason, message) }
}
