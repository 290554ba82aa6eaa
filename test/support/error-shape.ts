import { expect } from 'vitest'
import { errorTable, type ErrorCode } from '../../src/errors.ts'
import type { HttpAnswer } from './http-caller.ts'

interface ErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string
  }
}

/** Checks that an answer is a refusal as OpenAI writes it, with the row of `errors.ts`; returns its error. */
export function expectRefusal(answer: HttpAnswer, code: ErrorCode): ErrorBody['error'] {
  const row: { readonly status: number; readonly type: string; readonly shouldRetry?: boolean } =
    errorTable[code]
  const { error } = answer.json() as ErrorBody
  expect({ status: answer.status, code: error.code, type: error.type }).toEqual({
    status: row.status,
    code,
    type: row.type,
  })
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
  expect(error.message).not.toBe('')
  expect(answer.headers['content-type']).toBe('application/json; charset=utf-8')
  expect(answer.headers['x-request-id']).toMatch(/^req_[0-9a-z]+$/)
  expect(answer.headers['x-should-retry']).toBe(
    row.shouldRetry === undefined ? undefined : String(row.shouldRetry),
  )
  return error
}
