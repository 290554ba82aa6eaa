import type { YAMLError } from 'yaml'

/**
 * Words of our own for the parser's error codes: its messages quote the file, and the file may be a Secret (I14).
 */
export function yamlErrorWords(code: YAMLError['code']): string {
  return `is not YAML here: ${words[code] ?? 'something is out of place'}`
}

const words: Partial<Record<YAMLError['code'], string>> = {
  BAD_ALIAS:
    'an alias (*name) has no anchor (&name) before it; put texts that begin with * in quotes',
  BAD_DIRECTIVE: 'a line that begins with % is a directive; put texts that begin with % in quotes',
  BAD_DQ_ESCAPE: 'a double-quoted text has an unknown \\ escape; use single quotes',
  BAD_INDENT: 'the indentation fits no line above',
  BAD_SCALAR_START: 'a text cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'two fields on one line, or a colon inside a text; put the text in quotes',
  BLOCK_IN_FLOW: 'an indented block inside [ ] or { }',
  DUPLICATE_KEY: 'a field is there twice; keep one',
  MISSING_CHAR: 'a closing character or the space after a colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a field name without its colon, or a quote that is not closed',
  MULTIPLE_DOCS: 'a document begins without a line ---',
  NON_STRING_KEY: 'a field name must be a text; put it in quotes',
  TAB_AS_INDENT: 'a tab is used to indent; use spaces',
  TAG_RESOLVE_FAILED: 'a tag (!name) is not known; put texts that begin with ! in quotes',
  UNEXPECTED_TOKEN: 'something is left over; is a colon or a quote missing above?',
}
