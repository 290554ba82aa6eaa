import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What vLLM says of one sequence when it ends. `core`: its scheduler; `front`: its API server. */
export interface TapLine {
  readonly where: 'core' | 'front'
  /** The `#number#` in the prompt; -1 where there is none. */
  readonly request: number
  readonly input: number
  readonly output: number
  readonly end: string
}

/** A plugin of vLLM that writes down what was generated for each request: no metric of its own says so. */
export class TokenTap {
  /** To be started in vLLM's stead. */
  readonly executable: string
  readonly #file: string

  constructor(folder: string, vllm: string, tokenizer: string) {
    this.#file = join(folder, 'tokens.jsonl')
    this.executable = join(folder, 'bin', 'vllm')
    mkdirSync(dirname(this.executable), { recursive: true })
    // Its version is read beside it: asking it takes a minute on a crowded machine.
    symlinkSync(join(dirname(dirname(vllm)), 'lib'), join(folder, 'lib'))
    const metadata = join(folder, 'token_tap-1.dist-info')
    mkdirSync(metadata, { recursive: true })
    writeFileSync(
      join(metadata, 'METADATA'),
      'Metadata-Version: 2.1\nName: token-tap\nVersion: 1\n',
    )
    writeFileSync(
      join(metadata, 'entry_points.txt'),
      '[vllm.general_plugins]\ntoken_tap = token_tap:register\n',
    )
    const variables = {
      PYTHONPATH: `${folder}:${import.meta.dirname}`,
      PYTHONDONTWRITEBYTECODE: '1',
      TOKEN_TAP_FILE: this.#file,
      TOKEN_TAP_TOKENIZER: tokenizer,
    }
    const exports = Object.entries(variables).map(([name, value]) => `export ${name}='${value}'\n`)
    writeFileSync(this.executable, `#!/bin/sh\n${exports.join('')}exec '${vllm}' "$@"\n`)
    chmodSync(this.executable, 0o755)
  }

  lines(): readonly TapLine[] {
    const text = existsSync(this.#file) ? readFileSync(this.#file, 'utf8') : ''
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as TapLine)
  }
}
