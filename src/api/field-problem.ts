import { fieldPathText, type FieldPath } from './field-path.ts'

/** What is wrong with one field of an object. */
export interface FieldProblem {
  /** Empty for the object as a whole. */
  readonly path: FieldPath
  /** To be read after the path: "is no field; did you mean `maxLoras`?" */
  readonly message: string
  /** An error refuses the object; a notice only says something. */
  readonly severity: 'Error' | 'Notice'
}

export function fault(path: FieldPath, message: string): FieldProblem {
  return { path, message, severity: 'Error' }
}

export function notice(path: FieldPath, message: string): FieldProblem {
  return { path, message, severity: 'Notice' }
}

/** One line for a person: the field's path, what is wrong, what to write. */
export function fieldProblemText(problem: FieldProblem): string {
  const path = fieldPathText(problem.path)
  return path === '' ? problem.message : `\`${path}\` ${problem.message}`
}
