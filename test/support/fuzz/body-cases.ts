import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fieldKindsOf } from '../../../src/gateway/endpoints/field-kinds.ts'
import { inferenceEndpoints } from '../../../src/gateway/endpoints/inference-endpoints.ts'
import type { InferencePath } from '../../../src/gateway/endpoints/inference-endpoint.ts'
import { smallestBodies } from '../smallest-bodies.ts'
import type { Dice } from './dice.ts'
import { oddBytes, oddValues } from './odd-values.ts'

export interface BodyCase {
  readonly kind: string
  readonly path: InferencePath
  readonly body: Buffer
}

type Json = Record<string, unknown>

const paths = inferenceEndpoints.map(({ path }) => path)
const seeds = new Map<InferencePath, readonly Json[]>(
  paths.map((path) => [path, [named(path, smallestBodies[path]), ...samplesOf(path)]]),
)

/** Bodies that real clients sent to a real engine, with the names that the gateway under test has. */
function samplesOf(path: InferencePath): readonly Json[] {
  const folder = join(import.meta.dirname, '../../contract/samples')
  return readdirSync(folder).flatMap((file) => {
    const samples = JSON.parse(readFileSync(join(folder, file), 'utf8')) as readonly {
      readonly request?: { readonly path?: string; readonly body?: unknown }
    }[]
    return samples.flatMap(({ request }) =>
      request?.path === path && typeof request.body === 'object' && request.body !== null
        ? [named(path, request.body)]
        : [],
    )
  })
}

export function modelOf(path: InferencePath): string {
  const { task } = inferenceEndpoints.find((one) => one.path === path) ?? {}
  return task === 'Embed' ? 'vectors-base' : 'tickets'
}

function named(path: InferencePath, body: object): Json {
  return { ...body, model: modelOf(path) }
}

export function goodBody(path: InferencePath): string {
  return JSON.stringify(named(path, smallestBodies[path]))
}

/** A body of some route with one to three things wrong with it, or none. */
export function bodyCase(dice: Dice): BodyCase {
  const path = dice.pick(paths)
  const seed = dice.pick(seeds.get(path) ?? [])
  const kind = dice.pick(kinds)
  return { kind, path, body: mutate[kind](seed, path, dice) }
}

const mutate = {
  'no change': (seed) => Buffer.from(JSON.stringify(seed)),
  value: (seed, _path, dice) => Buffer.from(withOddValue(seed, dice)),
  'two values': (seed, _path, dice) => {
    const once = withOddValue(seed, dice)
    try {
      return Buffer.from(withOddValue(JSON.parse(once) as Json, dice))
    } catch {
      return Buffer.from(once)
    }
  },
  field: (seed, path, dice) => Buffer.from(withField(seed, path, dice)),
  'key twice': (seed, _path, dice) => Buffer.from(withKeyTwice(seed, dice)),
  depth: (seed, _path, dice) => {
    const depth = dice.pick([10, 63, 64, 65, 100, 1000, 20_000])
    const [open, close] = dice.pick([
      ['[', ']'],
      ['{"a":', '}'],
      ['[{"a":', '}]'],
    ] as const)
    const value = `${open.repeat(depth)}1${dice.chance(0.8) ? close.repeat(depth) : ''}`
    return Buffer.from(
      put(JSON.stringify(seed), `"${dice.pick(['x', 'stop', 'metadata'])}":${value}`),
    )
  },
  'many keys': (seed, _path, dice) => {
    const count = dice.pick([200, 256, 257, 3000])
    const keys = Array.from({ length: count }, (_, at) => `"k${at}":${dice.roll(10)}`).join(',')
    const text = dice.chance(0.5)
      ? keys
      : `"${dice.pick(['x', 'logit_bias', 'metadata'])}":{${keys}}`
    return Buffer.from(put(JSON.stringify(seed), text))
  },
  'many values': (seed, _path, dice) => {
    const field = dice.pick(['messages', 'prompt', 'input', 'documents', 'stop', 'tools', 'x'])
    const value = dice.pick(['1', '""', '"a"', 'null', '{}', '[]', '{"role":"user","content":"x"}'])
    const list = Array(dice.pick([17, 129, 1025, 9000]))
      .fill(value)
      .join(',')
    return Buffer.from(put(JSON.stringify({ ...seed, [field]: undefined }), `"${field}":[${list}]`))
  },
  text: (seed, _path, dice) => {
    const text = dice
      .pick(['x', '\\"', '\\\\', '\\u0041', 'é', '😀', '\\n', ' '])
      .repeat(dice.pick([47, 48, 49, 100, 1100, 5000, 60_000]))
    const field = dice.pick(['user', 'prompt', 'input', 'query', 'model', 'x'])
    return Buffer.from(put(JSON.stringify({ ...seed, [field]: undefined }), `"${field}":"${text}"`))
  },
  bytes: (seed, _path, dice) => {
    let body = Buffer.from(JSON.stringify(seed))
    for (let left = 1 + dice.roll(3); left > 0; left -= 1) {
      body = withOddBytes(body, dice)
    }
    return body
  },
  cut: (seed, _path, dice) => {
    const body = Buffer.from(JSON.stringify(seed))
    return body.subarray(0, dice.roll(body.length))
  },
  behind: (seed, _path, dice) =>
    Buffer.from(
      JSON.stringify(seed) + dice.pick([' ', '\n\t\r ', ',', '{}', '\0', '\u00a0', 'x', ']']),
    ),
  'white space': (seed, _path, dice) =>
    Buffer.from(
      JSON.stringify(
        seed,
        undefined,
        dice.pick([' ', '\t', '\n', '\r\n ', '\u00a0', '\v', '\u2028']),
      ),
    ),
  encoding: (seed, _path, dice) => {
    const text = JSON.stringify(seed)
    return dice.pick([
      () => Buffer.from(`\ufeff${text}`),
      () => Buffer.from(text, 'utf16le'),
      () => Buffer.from(`\ufeff${text}`, 'utf16le'),
      () => Buffer.from(text, 'utf16le').swap16(),
      () => Buffer.from(text.replace('"', '"é'), 'latin1'),
      () => Buffer.from(text.replaceAll(/./gs, '\0\0\0$&')),
      () => Buffer.from(Buffer.from(text).toString('base64')),
    ])()
  },
  'no object': (_seed, _path, dice) => Buffer.from(dice.pick(oddValues)),
} as const satisfies Record<string, (seed: Json, path: InferencePath, dice: Dice) => Buffer>

const kinds = Object.keys(mutate) as (keyof typeof mutate)[]

/** Entries in front of or behind those of an object's text. */
function put(text: string, entries: string): string {
  return text.length % 2 === 0
    ? `{${entries}${text === '{}' ? '' : ','}${text.slice(1)}`
    : `${text.slice(0, -1)}${text === '{}' ? '' : ','}${entries}}`
}

/** A mark that stands for the odd value while the text is made. */
const mark = 'Xodd7f3aX'

function withOddValue(seed: Json, dice: Dice): string {
  const copy = structuredClone(seed)
  let place: Json = copy
  for (;;) {
    const keys = Object.keys(place)
    if (keys.length === 0) {
      break
    }
    const key = dice.pick(keys)
    const inner = place[key]
    if (typeof inner === 'object' && inner !== null && dice.chance(0.7)) {
      place = inner as Json
      continue
    }
    place[key] = mark
    break
  }
  return JSON.stringify(copy).replace(`"${mark}"`, () => dice.pick(oddValues))
}

const foreignFields = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  '',
  'é',
  '\u0000',
  'Model',
  'model ',
]

function withField(seed: Json, path: InferencePath, dice: Dice): string {
  const field = dice.chance(0.8)
    ? dice.pick([...fieldKindsOf(path).keys()])
    : dice.pick(foreignFields)
  const key = dice.chance(0.8) ? JSON.stringify(field) : escaped(field)
  const rest = dice.chance(0.7) ? { ...seed, [field]: undefined } : seed
  return put(JSON.stringify(rest), `${key}:${dice.pick(oddValues)}`)
}

function withKeyTwice(seed: Json, dice: Dice): string {
  const key = dice.pick(Object.keys(seed))
  const name = dice.chance(0.5) ? JSON.stringify(key) : escaped(key)
  if (dice.chance(0.6)) {
    return put(JSON.stringify(seed), `${name}:${dice.pick(oddValues)}`)
  }
  // Deeper down both readers take the last one.
  return JSON.stringify(seed).replace(
    /"(role|type|content|name|text)":/,
    (found) => `${found}${dice.pick(oddValues)},${found}`,
  )
}

function escaped(text: string): string {
  const escapes = Array.from(
    { length: text.length },
    (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`,
  )
  return `"${escapes.join('')}"`
}

function withOddBytes(body: Buffer, dice: Dice): Buffer<ArrayBuffer> {
  const at = dice.roll(body.length + 1)
  const piece = dice.chance(0.5)
    ? dice.pick(oddBytes)
    : dice.chance(0.5)
      ? Buffer.from(dice.pick(oddValues))
      : Buffer.from([dice.roll(256)])
  return Buffer.concat([body.subarray(0, at), piece, body.subarray(at + dice.roll(4))])
}
