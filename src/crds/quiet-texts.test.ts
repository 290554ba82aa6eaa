import { expect, test } from 'vitest'
import { withQuietTexts } from './quiet-texts.ts'

const rule = (text: string) => ({ rule: text, message: 'words' })

test('rules of texts stand on the object that holds them, where its refusals do not repeat them', () => {
  const schema = withQuietTexts({
    type: 'object',
    required: ['sure'],
    properties: {
      sure: { type: 'string', 'x-kubernetes-validations': [rule("self != 'self'")] },
      maybe: { type: 'string', 'x-kubernetes-validations': [rule('self == oldSelf')] },
      namespace: {
        type: 'string',
        default: '',
        'x-kubernetes-validations': [rule('size(self) < 3')],
      },
      count: { type: 'integer', 'x-kubernetes-validations': [rule('self > 0')] },
    },
  })
  expect(schema['x-kubernetes-validations']).toEqual([
    { ...rule("self.sure != 'self'"), fieldPath: '.sure' },
    {
      ...rule('!has(self.maybe) || !has(oldSelf.maybe) || self.maybe == oldSelf.maybe'),
      fieldPath: '.maybe',
    },
    { ...rule('size(self.__namespace__) < 3'), fieldPath: '.namespace' },
  ])
  expect(schema.properties?.['sure']).toEqual({ type: 'string' })
  expect(schema.properties?.['count']).toHaveProperty('x-kubernetes-validations')
})
