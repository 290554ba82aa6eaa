import { expect, test } from 'vitest'
import { aTenant } from '../../test/support/builders.ts'
import { shownModel, shownNamesOf, shownNamespace } from './shown-names.ts'

const names = shownNamesOf(
  aTenant('globex')
    .claiming('globex-a', 'globex-b')
    .withModels({
      lent: 'LoraAdapter acme/tickets',
      again: 'LoraAdapter acme/tickets',
      base: 'ModelPool models/llama',
    })
    .build(),
)

test('what a tenant owns has its own key, what it was lent the first name it was given', () => {
  expect(shownModel(names, 'LoraAdapter', 'globex-b/shout')).toBe('globex-b/shout')
  expect(shownModel(names, 'LoraAdapter', 'acme/tickets')).toBe('lent')
  expect(shownModel(names, 'ModelPool', 'models/llama')).toBe('base')
})

test('what it was lent no longer has no name, nor has another’s namespace', () => {
  expect(shownModel(names, 'LoraAdapter', 'acme/returned')).toBeNull()
  expect(shownModel(names, 'ModelPool', 'acme/tickets')).toBeNull()
  expect(shownNamespace(names, 'acme')).toBeNull()
  expect(shownNamespace(names, 'globex')).toBeNull()
  expect(shownNamespace(names, 'globex-a')).toBe('globex-a')
})
