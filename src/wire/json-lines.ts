import { WireError } from './wire-error.ts'

/** One state message of an agent with 20,000 adapters has a few hundred bytes; a demand message of a gateway more. */
const maxLineLength = 4 * 1024 * 1024

/** Values of a newline-delimited stream; blank lines only say that it is alive. @throws WireError on what is no JSON. */
export async function* jsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLineLength) {
      throw new WireError('BadAnswer', `A line has more than ${maxLineLength} characters.`)
    }
    for (const line of lines) {
      if (line !== '') {
        yield parse(line)
      }
    }
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new WireError('BadAnswer', 'A line of the stream is no JSON.', 0, error)
  }
}
