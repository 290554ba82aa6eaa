import type { Kind } from '../api/kinds.ts'
import { dotStepPattern } from '../api/uris.ts'
import { reservedFlagRules } from './reserved-flag-rules.ts'
import { celString } from './structural.ts'
import type { ValidationRule } from './structural-schema.ts'

/**
 * What zod's refinements and `checkSpec` say, in CEL, by the dotted path of the field that a rule is about (`[]` is every
 * entry of a list). A test holds both to the same verdicts. Rules about changes are only here: zod sees one object.
 */
export const specRules: Readonly<
  Record<Kind, Readonly<Record<string, readonly ValidationRule[]>>>
> = {
  ModelPool: {
    'spec.model.uri': [
      noDotStep(),
      {
        rule: "self.startsWith('hf://') ? self.split('@')[0] == oldSelf.split('@')[0] : self == oldSelf",
        message: 'only the revision of hf:// may change: another base is another ModelPool',
      },
    ],
    'spec.model.inputs': [
      {
        rule: "'Text' in self && (size(self) == 1 || self[0] != self[1])",
        message: 'must be [Text] or [Text, Image]',
      },
    ],
    'spec.model': [
      {
        rule: "!('Image' in self.inputs) || self.task == 'Generate'",
        message: 'may hold Image with task: Generate only',
        fieldPath: '.inputs',
      },
      {
        rule: "!('Image' in self.inputs) || has(self.maxModelLen)",
        message: 'is needed with inputs: [Text, Image]: nothing else bounds the tokens of an image',
        fieldPath: '.maxModelLen',
      },
    ],
    // Of the spec, not of `engine`: the API server holds defaults against the rules of their own field.
    spec: [
      {
        rule: 'has(self.engine.image) || size(self.engine.endpoints) > 0',
        message: 'is missing; write an image of vLLM, or engine.endpoints',
        fieldPath: '.engine.image',
      },
    ],
    'spec.engine.args': [
      {
        rule: "size(self) == 0 || self[0].startsWith('-')",
        message: 'the first entry is no flag; write flags such as --enforce-eager',
      },
      { rule: "!('--' in self)", message: '-- is no flag; write flags such as --enforce-eager' },
      ...reservedFlagRules(),
    ],
    'spec.engine.endpoints': [
      {
        rule: "self.all(one, self.exists_one(other, other.url == one.url || other.url + '/' == one.url || other.url == one.url + '/'))",
        message: 'each url must be another one',
      },
    ],
    'spec.lora': [
      {
        rule: 'self.maxCpuLoras >= self.maxLoras',
        message: 'must be at least maxLoras',
        fieldPath: '.maxCpuLoras',
      },
    ],
    'spec.lora.sources[].uriPrefix': [noDotStep()],
    'spec.allowedNamespaces': [
      {
        rule: "self.from != 'Selector' || has(self.selector)",
        message: 'is needed with from: Selector',
        fieldPath: '.selector',
      },
    ],
    'spec.scaling': [
      {
        rule: 'self.maxReplicas >= self.minReplicas',
        message: 'must be at least minReplicas',
        fieldPath: '.maxReplicas',
      },
    ],
    'spec.pricing': [
      {
        rule: 'has(self.inputPerMillionTokens) == has(self.outputPerMillionTokens)',
        message: 'and inputPerMillionTokens go together; write 0 for what is free',
        fieldPath: '.outputPerMillionTokens',
      },
      {
        rule: '!has(self.cachedInputPerMillionTokens) || has(self.inputPerMillionTokens)',
        message: 'needs inputPerMillionTokens and outputPerMillionTokens',
        fieldPath: '.cachedInputPerMillionTokens',
      },
    ],
    'spec.rollout': [
      {
        rule: 'self.maxSurge + self.maxUnavailable > 0',
        message: 'maxSurge and maxUnavailable must not both be 0: nothing could be replaced',
      },
    ],
  },
  LoraAdapter: {
    'spec.poolRefs': [
      {
        rule: 'self == oldSelf',
        message: 'cannot change: an adapter on another base is another LoraAdapter',
      },
    ],
    'spec.source.uri': [noDotStep()],
    'spec.residency': [
      {
        rule: '!has(self.maxCopies) || self.maxCopies >= self.minCopies',
        message: 'must be at least minCopies',
        fieldPath: '.maxCopies',
      },
    ],
  },
  ModelTenant: {
    'spec.budgets[]': [
      {
        rule: 'has(self.tokens) || has(self.amount)',
        message: 'is missing; write tokens, amount or both',
        fieldPath: '.tokens',
      },
    ],
    'spec.budgets[].timeZone': [
      {
        rule: "timestamp('2026-01-01T00:00:00Z').getFullYear(self) > 0",
        message: 'is no time zone; write one such as Europe/Berlin',
      },
    ],
  },
  TenantKey: {
    spec: [
      cannotChange('id'),
      cannotChange('tenantRef'),
      {
        rule: '!oldSelf.revoked || self.revoked',
        message: 'a revoked key stays revoked; create another one',
        fieldPath: '.revoked',
      },
    ],
    'spec.sha256': [
      { rule: 'self == oldSelf', message: 'cannot change: another key is another TenantKey' },
    ],
    'spec.id': [
      {
        rule: "!self.matches('^lpx_.+_[A-Za-z0-9_-]{43}$')",
        message:
          'looks like a whole key, which must not be in an object; write its part between the underscores',
      },
    ],
  },
}

function noDotStep(): ValidationRule {
  return {
    rule: `self.startsWith('file:') || !self.matches(${celString(dotStepPattern.source)})`,
    message: 'has . or .. as a step; write the path without them',
  }
}

/** For a field that may be absent: neither added, taken out, nor changed. */
function cannotChange(field: string): ValidationRule {
  return {
    rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
    message: `${field} cannot change: another key is another TenantKey`,
  }
}
