import { isProductSource } from './import-rules.ts'
import { findLines, type SourceCheck } from './source-file.ts'

/** An error without a class of its own cannot be told from another one. */
export const noBareErrors: SourceCheck = (files) =>
  files
    .filter(isProductSource)
    .flatMap((file) =>
      findLines(file, (line) =>
        /\bthrow new (?:Error|TypeError|RangeError)\(/.test(line)
          ? 'a bare error; throw one of src/errors.ts or a class of your own'
          : undefined,
      ),
    )
