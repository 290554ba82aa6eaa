import { UserError } from '../../../errors.ts'

/** A row of Azure's LLM inference traces of 2023. */
export interface AzureRow {
  /** Unix milliseconds with a fraction, taken as UTC. */
  readonly atMs: number
  readonly inputTokens: number
  readonly outputTokens: number
}

const columns = ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'] as const

/**
 * CSV with `TIMESTAMP,ContextTokens,GeneratedTokens`; lines may end in CRLF.
 * @throws UserError that names the file, line and field
 */
export function azureRows(text: string, file: string): readonly AzureRow[] {
  const [head = '', ...lines] = text.split(/\r?\n/)
  if (head.trim() !== columns.join(',')) {
    throw new UserError(`${file}, line 1: wanted the columns ${columns.join(',')}.`)
  }
  return lines.flatMap((line, index) => (line === '' ? [] : [rowOf(line, file, index + 2)]))
}

function rowOf(line: string, file: string, number: number): AzureRow {
  const [timestamp = '', input = '', output = ''] = line.split(',')
  return {
    atMs: checked(timeOf(timestamp), columns[0], timestamp, file, number),
    inputTokens: Math.max(1, checked(tokensOf(input), columns[1], input, file, number)),
    outputTokens: Math.max(1, checked(tokensOf(output), columns[2], output, file, number)),
  }
}

function checked(value: number, column: string, text: string, file: string, line: number): number {
  if (Number.isNaN(value)) {
    throw new UserError(`${file}, line ${line}: ${column} is ${JSON.stringify(text)}.`)
  }
  return value
}

/** `2023-11-16 18:17:03.9799600`: digits beyond milliseconds are added, as Date takes three. */
function timeOf(text: string): number {
  const [, date, time, fraction = ''] = /^(\S+) (\d\d:\d\d:\d\d)(\.\d+)?$/.exec(text) ?? []
  return Date.parse(`${date}T${time}Z`) + Number(`0${fraction}`) * 1000
}

function tokensOf(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN
}
