import { describe, expect, test } from 'vitest'
import { readYaml } from './yaml-documents.ts'

function objectsOf(text: string) {
  const reading = readYaml(text)
  if (reading.outcome === 'Broken') {
    throw new Error(`${reading.position.line}: ${reading.message}`)
  }
  return reading.objects
}

function faultOf(text: string) {
  const reading = readYaml(text)
  return reading.outcome === 'Broken' ? reading : undefined
}

describe('objects of a text', () => {
  test('several documents, empty ones left out', () => {
    const objects = objectsOf('---\n# nothing\n---\na: 1\n---\nb: 2\n---\n')
    expect(objects.map(({ raw }) => raw)).toEqual([{ a: 1 }, { b: 2 }])
  })

  test('none in an empty text', () => {
    expect(objectsOf('')).toEqual([])
    expect(objectsOf('# only a comment\n')).toEqual([])
  })

  test('lists are unfolded, with their places', () => {
    const objects = objectsOf(
      'apiVersion: v1\nkind: List\nitems:\n- a: 1\n- apiVersion: loraplex.dev/v1alpha1\n  kind: TenantKeyList\n  items:\n  - b: 2\n',
    )
    expect(objects.map(({ raw }) => raw)).toEqual([{ a: 1 }, { b: 2 }])
    expect(objects.map(({ locate }) => locate([]))).toEqual([
      { line: 4, column: 3 },
      { line: 8, column: 5 },
    ])
  })

  test('a field is found by its path, a missing one at its parent', () => {
    const [object] = objectsOf('spec:\n  lora:\n    maxLora: 4\n  list:\n  - x: 1\n  - y: 2\n')
    expect(object?.locate(['spec', 'lora', 'maxLora'])).toEqual({ line: 3, column: 5 })
    expect(object?.locate(['spec', 'list', 1, 'y'])).toEqual({ line: 6, column: 5 })
    expect(object?.locate(['spec', 'lora', 'missing', 'deeper'])).toEqual({ line: 2, column: 3 })
  })

  test('YAML 1.1 cannot be asked for: no, dates and merges stay texts', () => {
    const [object] = objectsOf('%YAML 1.1\n---\na: no\nb: 2001-01-01\n')
    expect(object?.raw).toEqual({ a: 'no', b: '2001-01-01' })
  })
})

describe('a text that is broken says where and what, and quotes nothing of it (I14)', () => {
  const secret = 'hunter2'
  test.each([
    ['a tab', `a:\n\tb: ${secret}\n`, 2],
    ['a field twice', `${secret}: 1\n${secret}: 2\n`, 2],
    ['a quote left open', `a: 1\nb: "${secret}\n`, 3],
    ['two colons', `a: ${secret}: x\n`, 1],
    ['bad indentation', `a:\n    b: 1\n  ${secret}: 2\n`, 3],
    ['an unknown anchor', `a: *${secret}\n`, 1],
    ['an unknown tag', `a: !${secret} 1\n`, 1],
    ['leftovers', `a: [1, 2]]\n${secret}\n`, 1],
    ['a key that is no text', `? [${secret}]\n: 1\n`, 1],
  ])('%s', (_name, text, line) => {
    const fault = faultOf(text)
    expect(fault?.position.line).toBe(line)
    expect(fault?.message).toMatch(/^is not YAML here: /)
    expect(fault?.message).not.toContain(secret)
  })

  test('a bomb of aliases is refused in a moment', () => {
    const levels = Array.from({ length: 12 }, (_, index) =>
      index === 0
        ? 'a0: &a0 [x,x,x,x,x,x,x,x,x]'
        : `a${index}: &a${index} [${Array(9)
            .fill(`*a${index - 1}`)
            .join(',')}]`,
    )
    expect(faultOf(levels.join('\n'))?.message).toContain('uses aliases more than')
  })

  test('nesting without end is refused and ends nothing', () => {
    expect(faultOf(`a: ${'['.repeat(200_000)}`)).toBeDefined()
    expect(faultOf(`a: ${'{b: '.repeat(50_000)}`)).toBeDefined()
    expect(faultOf('- '.repeat(50_000))).toBeDefined()
    expect(faultOf('? '.repeat(50_000))).toBeDefined()
    const stairs = Array.from({ length: 700 }, (_, depth) => `${' '.repeat(depth)}a:\n`)
    expect(objectsOf(stairs.join(''))).toHaveLength(1)
  })
})
