import { describe, expect, test } from 'vitest'
import { prefixEnds } from '../../core/prefix-affinity.ts'
import { inferenceEndpoints } from '../endpoints/inference-endpoints.ts'
import { readInferenceRequest } from '../request/inference-request.ts'
import { requestBodyOf } from '../request/request-body.ts'
import { PromptPrefixes } from './prompt-prefixes.ts'

function read(path: string, fields: object) {
  const endpoint = inferenceEndpoints.find((one) => one.path === path)
  if (endpoint === undefined) {
    throw new Error('no such endpoint')
  }
  const body = Buffer.from(JSON.stringify({ model: 'm', ...fields }))
  return readInferenceRequest(endpoint, requestBodyOf(body), { unknownFields: 'Drop' })
}

const turn = (role: string, content: string) => ({ role, content })
const chat = (messages: readonly object[], fields: object = {}) =>
  read('/v1/chat/completions', { ...fields, messages })

const system = turn('system', 'You are helpful. '.repeat(60))
const first = [system, turn('user', 'What is a monad? '.repeat(20))]
const second = [...first, turn('assistant', 'A monoid. '.repeat(40)), turn('user', 'Oh?')]

const prefixes = new PromptPrefixes()
const ofChat = (messages: readonly object[], fields: object = {}) =>
  prefixes.of('acme', 'a', chat(messages, fields))

describe('the prefix of a prompt', () => {
  test('is the beginning of that of the next turn', () => {
    const before = ofChat(first)?.hashes ?? []
    const after = ofChat(second)?.hashes ?? []
    expect(before.length).toBeGreaterThan(2)
    expect(after.length).toBeGreaterThan(before.length)
    expect(after.slice(0, before.length)).toEqual(before)
  })

  test('has nothing to do with the request’s other fields, and is the same after the body was built', () => {
    const plain = ofChat(first)
    const request = chat(first, { temperature: 0.3, max_tokens: 9, metadata: { a: 'b' } })
    request.build('engine-name', 'salt')
    expect(prefixes.of('acme', 'a', request)?.hashes).toEqual(plain?.hashes)
  })

  test('is another one where one byte is', () => {
    const other = [turn('system', `X${system.content.slice(1)}`), ...first.slice(1)]
    expect(ofChat(other)?.hashes[0]).not.toBe(ofChat(first)?.hashes[0])
  })

  test.each([
    ['tenant', 'globex', 'a'],
    ['adapter', 'acme', 'b'],
    ['model, the base,', 'acme', undefined],
  ])('of another %s is in a scope of its own', (_word, tenant, revision) => {
    const mine = ofChat(first)
    const theirs = prefixes.of(tenant, revision, chat(first))
    expect(theirs?.scope).not.toBe(mine?.scope)
    expect(theirs?.hashes[0]).not.toBe(mine?.hashes[0])
  })

  test('is another one in another process', () => {
    const there = new PromptPrefixes().of('acme', 'a', chat(first))
    expect(there?.hashes).not.toEqual(ofChat(first)?.hashes)
  })

  test('is absent for short prompts, and where nothing is generated', () => {
    expect(ofChat([turn('user', 'Hi')])).toBeUndefined()
    const embedding = read('/v1/embeddings', { input: 'x'.repeat(5000) })
    expect(prefixes.of('acme', undefined, embedding)).toBeUndefined()
  })

  test('is bounded, however long the prompt is', () => {
    const request = read('/v1/completions', { prompt: 'x'.repeat(1_000_000) })
    const prefix = prefixes.of('acme', undefined, request)
    expect(prefix?.hashes).toHaveLength(prefixEnds.length)
    expect(prefix?.sizeBytes).toBeGreaterThan(1_000_000)
  })
})
