import { describe, expect, test } from 'vitest'
import { parseSourceUri, placeOf, placeOfPrefix } from './source-uri.ts'

function placeOfUri(uri: string): string | undefined {
  const parsed = parseSourceUri(uri, '/yaml')
  return parsed.ok ? placeOf(parsed.source) : undefined
}

describe('a URI leads to one place, however it is written', () => {
  test.each([
    ['file:///a/b', '/a/b'],
    ['file:./b/', '/yaml/b'],
    ['file:///a/../b', '/b'],
    ['pvc://weights/a/b', 'pvc://weights/a/b'],
    ['pvc://weights//a/b/', 'pvc://weights/a/b'],
    ['https://h.example/a/b.tar.gz', 'https://h.example/a/b.tar.gz'],
    ['https://h.example:443//a///b', 'https://h.example/a/b'],
    ['https://h.example:8443/a', 'https://h.example:8443/a'],
    ['https://h.example/a%20b', 'https://h.example/a%20b'],
    ['hf://org/name@main', 'hf://org/name@main'],
    ['hf://org/name@refs/pr/1', 'hf://org/name@refs/pr/1'],
  ])('%s', (uri, want) => {
    expect(placeOfUri(uri)).toBe(want)
  })
})

describe('a URI that could lead somewhere else is none', () => {
  test.each([
    'http://h.example/a',
    'https://user:word@h.example/a',
    'https://h.example/a?file=b',
    'https://h.example/a#b',
    'https://h.example/a/../b',
    'https://h.example/a/..%2Fb',
    'https://h.example/a%252Fb',
    'https://h.example/a\\b',
    'https:///a',
    'pvc://weights/../other',
    'pvc:///a',
    'pvc://Weights/a',
    'hf://org/name',
    'hf://org/../name@main',
    'hf://org/name@../main',
    's3://bucket/a',
    '',
  ])('%s', (uri) => {
    const parsed = parseSourceUri(uri, '/yaml')
    expect(parsed).toMatchObject({ ok: false, problem: { reason: 'SourceInvalid' } })
  })

  test('nor is one with an encoded dot step: it is resolved before it is compared', () => {
    expect(placeOfUri('https://h.example/a/%2e%2e/b')).toBe('https://h.example/b')
  })
})

test('a prefix has the form that places have', () => {
  expect(placeOfPrefix('file:../a/', '/yaml')).toBe('/a')
  expect(placeOfPrefix('file:///', '/yaml')).toBe('')
  expect(placeOfPrefix('https://h.example:443/${namespace}/', '/yaml')).toBe(
    'https://h.example/${namespace}',
  )
  expect(placeOfPrefix('pvc://weights/', '/yaml')).toBe('pvc://weights')
  expect(placeOfPrefix('file:nonsense', '/yaml')).toBeUndefined()
})
