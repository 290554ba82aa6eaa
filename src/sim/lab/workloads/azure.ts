import { UserError } from '../../../errors.ts'
import type { Tape, TapeRequest } from '../tape.ts'

const header = 'TIMESTAMP,ContextTokens,GeneratedTokens'

/**
 * One of the Azure LLM inference traces of 2023 (github.com/Azure/AzurePublicDataset, CC-BY-4.0; P. Patel et al., Splitwise,
 * ISCA 2024) as one tenant's requests on the base model; time counts from the trace's own first request.
 * @throws UserError for a line that is none of that trace
 */
export function parseAzureTrace(text: string, tenant: string): Tape {
  const [head, ...lines] = text.split(/\r?\n/)
  if (head !== header) {
    throw new UserError(`An Azure trace begins with the line ${header}.`)
  }
  const requests: TapeRequest[] = []
  let startMs: number | undefined
  for (const [index, line] of lines.entries()) {
    if (line === '') {
      continue
    }
    const [time = '', input, output] = line.split(',')
    const atMs = millisecondsOf(time)
    const [inputTokens, outputTokens] = [Number(input), Number(output)]
    if (Number.isNaN(atMs) || !(inputTokens >= 1) || !(outputTokens >= 1)) {
      throw new UserError(`Line ${index + 2} of the Azure trace is not time, tokens, tokens.`)
    }
    startMs ??= atMs
    requests.push({
      atMs: atMs - startMs,
      tenant,
      adapter: '',
      inputTokens,
      outputTokens,
      blocks: [],
    })
  }
  return requests.sort((left, right) => left.atMs - right.atMs)
}

/** The trace has seven digits of a second, more than a `Date` takes. */
function millisecondsOf(time: string): number {
  const [whole = '', fraction = '0'] = time.split('.')
  return Date.parse(`${whole.replace(' ', 'T')}Z`) + Number(`0.${fraction}`) * 1000
}
