import { expect, test } from 'vitest'
import { parseAzureTrace } from './azure.ts'

// The first lines of AzureLLMInferenceTrace_code.csv, github.com/Azure/AzurePublicDataset, CC-BY-4.0, © Microsoft.
const excerpt = [
  'TIMESTAMP,ContextTokens,GeneratedTokens',
  '2023-11-16 18:17:03.9799600,4808,10',
  '2023-11-16 18:17:04.0319600,3180,8',
].join('\r\n')

test('a trace becomes one tenant’s requests on the base, in time from its start', () => {
  const tape = parseAzureTrace(excerpt, 'code')
  expect(tape).toHaveLength(2)
  expect(tape[0]).toEqual({
    atMs: 0,
    tenant: 'code',
    adapter: '',
    inputTokens: 4808,
    outputTokens: 10,
    blocks: [],
  })
  expect(tape[1]?.atMs).toBeCloseTo(52, 3)
})

test.each([
  ['another header', 'a,b,c\n', 'begins with the line'],
  ['a line that is none', `${excerpt}\r\nnonsense`, 'Line 4'],
  ['no tokens', `${excerpt}\r\n2023-11-16 18:17:04.0319600,0,8`, 'Line 4'],
])('%s is refused in words', (_name, text, words) => {
  expect(() => parseAzureTrace(text, 'code')).toThrow(words)
})
