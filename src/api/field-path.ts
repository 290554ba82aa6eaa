/** Where a value is inside an object: names and list indices. */
export type FieldPath = readonly (string | number)[]

const plainName = /^[A-Za-z_][A-Za-z0-9_-]*$/

/** `spec.models[0].name`; a name with other characters is quoted, a long one cut. */
export function fieldPathText(path: FieldPath): string {
  return path.map(stepText).join('').replace(/^\./, '')
}

function stepText(step: string | number): string {
  if (typeof step === 'number') {
    return `[${step}]`
  }
  const name = shortened(step)
  return plainName.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}

/** What somebody wrote, short enough for a message. */
export function shortened(text: string, length = 64): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`
}
