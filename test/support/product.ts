// The product as its users have it: Helm, kubectl, the CLI and a caller's SDK, on whatever cluster KUBECONFIG names.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import OpenAI from 'openai'
import { expect } from 'vitest'
import { parseAllDocuments, stringify } from 'yaml'
import { shell } from './cluster-shell.ts'
import { kubectl, kubectlGet } from './cluster-tools.ts'

export const release = { name: 'loraplex', namespace: 'loraplex-system' } as const

/** The checkout's own CLI. */
export function loraplex(...args: readonly string[]): Promise<string> {
  return shell(process.execPath, 'bin/loraplex.mjs', ...args)
}

/** What tests read of an object. */
// oxlint-disable-next-line typescript/no-explicit-any
export type KubeJson = any

export async function listObjects(
  kind: string,
  namespace: string,
  selector = '',
): Promise<readonly KubeJson[]> {
  return (await kubectlGet(kind, '-n', namespace, '-l', selector)).items
}

/** Until it holds; the last failure is what the test says. */
export function eventually(check: () => Promise<void>, timeoutMs = 90_000): Promise<void> {
  return expect
    .poll(
      async () => {
        try {
          await check()
          return 'holds'
        } catch (error) {
          return error instanceof Error ? error.message : String(error)
        }
      },
      { timeout: timeoutMs, interval: 250 },
    )
    .toBe('holds')
}

/** Files for `kubectl apply -f`, made from the samples that users are given. */
export class Manifests implements AsyncDisposable {
  readonly #folder: string

  static async create(): Promise<Manifests> {
    return new Manifests(await mkdtemp(join(tmpdir(), 'loraplex-product-')))
  }

  private constructor(folder: string) {
    this.#folder = folder
  }

  /** Applies every object of a sample, after `change`. */
  async applySample(path: string, change: (object: KubeJson) => void = () => {}): Promise<void> {
    const text = await readFile(join('manifests', 'samples', path), 'utf8')
    const objects = parseAllDocuments(text).map((document) => document.toJS())
    objects.forEach(change)
    await this.apply(path.replaceAll('/', '-'), objects)
  }

  async apply(name: string, objects: readonly object[]): Promise<void> {
    const file = await this.write(name, objects.map((object) => stringify(object)).join('---\n'))
    await kubectl('apply', '-f', file)
  }

  async write(name: string, text: string): Promise<string> {
    await mkdir(this.#folder, { recursive: true })
    const file = join(this.#folder, name)
    await writeFile(file, text)
    return file
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true })
  }
}

export interface Answer {
  readonly text: string
  /** `lpx_<revision12>_simulated`. */
  readonly fingerprint: string | undefined
  readonly finish: string | null | undefined
}

/** A caller of one tenant, through the Service. */
export class ProductCaller {
  readonly #client: OpenAI

  constructor(baseURL: string, apiKey: string) {
    this.#client = new OpenAI({ baseURL, apiKey, maxRetries: 0 })
  }

  async ask(model: string, content = 'hello'): Promise<Answer> {
    const answer = await this.#client.chat.completions.create({
      model,
      messages: [{ role: 'user', content }],
      max_tokens: 8,
      temperature: 0,
    })
    const [choice] = answer.choices
    return {
      text: choice?.message.content ?? '',
      fingerprint: answer.system_fingerprint,
      finish: choice?.finish_reason,
    }
  }

  /** Reads a stream to its end; `onStart` is called at the first frame. */
  async stream(model: string, tokens: number, onStart: () => void = () => {}): Promise<Answer> {
    const stream = await this.#client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: `count ${Math.random()}` }],
      max_tokens: tokens,
      min_tokens: tokens,
      temperature: 0,
      stream: true,
    } as OpenAI.ChatCompletionCreateParamsStreaming)
    let text = ''
    let fingerprint: string | undefined
    let finish: string | null | undefined
    for await (const chunk of stream) {
      onStart()
      text += chunk.choices[0]?.delta.content ?? ''
      fingerprint = chunk.system_fingerprint ?? fingerprint
      finish = chunk.choices[0]?.finish_reason ?? finish
    }
    return { text, fingerprint, finish }
  }

  async models(): Promise<readonly string[]> {
    const ids: string[] = []
    for await (const model of this.#client.models.list()) {
      ids.push(model.id)
    }
    return ids
  }
}

/** What somebody looks at first when a test has failed. */
export async function describeCluster(): Promise<string> {
  const questions = [
    ['get', 'pods', '-A', '-o', 'wide'],
    ['get', 'lpp,lora,lpt,lpk', '-A', '-o', 'wide'],
    ['get', 'events', '-A', '--sort-by=.lastTimestamp'],
    [
      'logs',
      '-n',
      release.namespace,
      '-l',
      'app.kubernetes.io/instance=loraplex',
      '--tail=30',
      '--ignore-errors',
      '--prefix',
    ],
    ...['models', 'rollout-pools'].map((namespace) => [
      'logs',
      '-n',
      namespace,
      '-l',
      'app.kubernetes.io/component=engine',
      '--all-containers',
      '--tail=15',
      '--prefix',
    ]),
  ]
  const answers = questions.map(async (args) => {
    const answer = await kubectl(...args).catch(String)
    return `── kubectl ${args.join(' ')} ──\n${answer.split('\n').slice(-60).join('\n')}`
  })
  return (await Promise.all(answers)).join('\n\n')
}
