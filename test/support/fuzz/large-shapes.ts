import type { InferencePath } from '../../../src/gateway/endpoints/inference-endpoint.ts'

export interface LargeShape {
  readonly path: InferencePath
  readonly body: () => string
  /** In chunks of so many bytes each. */
  readonly chunkBytes?: number
}

const limit = 4 * 1024 * 1024
const chat = '/v1/chat/completions'
const hello = '"messages":[{"role":"user","content":"x"}]'

/** As many of `unit` as fit into the largest body. */
function filled(
  path: InferencePath,
  head: string,
  unit: string,
  tail: string,
  between = ',',
): LargeShape {
  const count = Math.floor(
    (limit - head.length - tail.length - 8) / (Buffer.byteLength(unit) + between.length),
  )
  return { path, body: () => head + Array(count).fill(unit).join(between) + tail }
}

function counted(
  path: InferencePath,
  head: string,
  unit: (at: number) => string,
  tail: string,
): LargeShape {
  return {
    path,
    body: () => {
      const units: string[] = []
      let length = head.length + tail.length
      for (let at = 0; length < limit - 40; at += 1) {
        const text = unit(at)
        units.push(text)
        length += text.length + 1
      }
      return head + units.join(',') + tail
    },
  }
}

const text = (unit: string): LargeShape =>
  filled(chat, '{"model":"tickets","messages":[{"role":"user","content":"', unit, '"}]}', '')
const other = (unit: string): LargeShape =>
  filled(chat, `{"model":"tickets",${hello},"x":[`, unit, ']}')
const prompt = (unit: string): LargeShape =>
  filled('/v1/completions', '{"model":"tickets","prompt":[', unit, ']}')
const whole = (body: string): LargeShape => ({ path: chat, body: () => body })

/** The largest bodies, each made of what costs a reader the most for its bytes. */
export const largeShapes: Readonly<Record<string, LargeShape>> = {
  'chunks of a byte': { ...text('x'), chunkBytes: 1 },
  'chunks of a hundred bytes': { ...text('x'), chunkBytes: 100 },
  'one long text': text('x'.repeat(100)),
  'one text of escaped quotes': text('\\"'),
  'one text of backslashes': text('\\\\'),
  'one text of escapes': text('\\u0041'),
  'one text of wide letters': text('é漢😀'),
  'texts of escapes': other(`"${'\\u00e9'.repeat(100)}"`),
  'texts of escaped quotes': other(`"${'\\"'.repeat(400)}"`),
  'texts of wide letters': other(`"${'é漢'.repeat(100)}"`),
  'texts just too long to be read': other(`"${'y'.repeat(1100)}"`),
  'empty texts': other('""'),
  messages: filled(chat, '{"model":"tickets","messages":[', '{"role":"user","content":"x"}', ']}'),
  parts: filled(
    chat,
    '{"model":"tickets","messages":[{"role":"user","content":[',
    '{"type":"text","text":"x"}',
    ']}]}',
  ),
  tools: filled(
    chat,
    `{"model":"tickets",${hello},"tools":[`,
    '{"type":"function","function":{"name":"f","parameters":{}}}',
    ']}',
  ),
  'one tool with a large schema': counted(
    chat,
    `{"model":"tickets",${hello},"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{`,
    (at) => `"p${at}":{"type":"string"}`,
    '}}}}]}',
  ),
  documents: filled('/v1/rerank', '{"model":"vectors-base","query":"q","documents":[', '"a"', ']}'),
  'lists of tokens': filled(
    '/v1/embeddings',
    '{"model":"vectors-base","input":[',
    `[${Array(4000).fill('12345').join(',')}]`,
    ']}',
  ),
  'empty lists': other('[]'),
  'empty objects': other('{}'),
  'objects of a field each': counted(
    chat,
    `{"model":"tickets",${hello},"x":[`,
    (at) => `{"k${at}":1}`,
    ']}',
  ),
  'fields of one object': counted(
    chat,
    `{"model":"tickets",${hello},"x":{`,
    (at) => `"k${at}":1`,
    '}}',
  ),
  'numbered fields': counted(
    chat,
    `{"model":"tickets",${hello},"x":{`,
    (at) => `"${at * 7919}":1`,
    '}}',
  ),
  'fields of the body': counted(chat, '{"model":"tickets",', (at) => `"k${at}":1`, '}'),
  digits: prompt('1'),
  tokens: prompt('12345'),
  fractions: prompt('1.2345e-7'),
  'numbers without end': prompt('1e999'),
  'long numbers': prompt('9'.repeat(400)),
  'one number': whole(`{"model":"tickets",${hello},"seed":${'9'.repeat(limit - 100)}}`),
  'one number in a list': whole(`{"model":"tickets",${hello},"x":[${'9'.repeat(limit - 100)}]}`),
  depth: whole(
    `{"model":"tickets","x":${'['.repeat(limit / 2 - 20)}${']'.repeat(limit / 2 - 20)}}`,
  ),
  'lists sixty deep': other(`${'['.repeat(60)}${']'.repeat(60)}`),
  'white space': whole(`{"model":"tickets",${' '.repeat(limit - 100)}${hello}}`),
  'white space in a list': whole(`{"model":"tickets","x":[${' '.repeat(limit - 100)}],${hello}}`),
  'a long name of a field': whole(
    `{"model":"tickets","${'\\u0041'.repeat(limit / 6 - 30)}":1,${hello}}`,
  ),
  'an end that is missing': filled(chat, `{"model":"tickets",${hello},"x":[`, '{"a":[1]}', ']'),
}
