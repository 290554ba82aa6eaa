import { appendFile, mkdtemp, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createDirectorySource } from './directory-source.ts'

const tenants = ['a', 'b', 'c', 'd'] as const
type Tenant = (typeof tenants)[number]

function document(name: string, suspend: boolean, fault = ''): string {
  return `---\napiVersion: loraplex.dev/v1alpha1\nkind: ModelTenant\nmetadata: {name: ${name}}\nspec: {suspend: ${suspend}${fault}}\n`
}

/** Three files, each tenant's document always in at least one of them, whatever is done to the files. */
class Editor {
  readonly #folder: string
  readonly #homes = new Map<Tenant, number>(tenants.map((tenant, index) => [tenant, index % 3]))
  readonly #names = ['0.yaml', '1.yaml', '2.yaml']
  readonly suspended = new Map<Tenant, boolean>(tenants.map((tenant) => [tenant, false]))
  #renames = 0

  constructor(folder: string) {
    this.#folder = folder
  }

  async mendAll(): Promise<void> {
    await Promise.all([0, 1, 2].map((file) => this.#write(file)))
  }

  async apply({ kind, tenant, file }: Action): Promise<void> {
    switch (kind) {
      case 'break':
        return appendFile(this.#path(file), 'a: [\n')
      case 'invalidate':
        return writeFile(this.#path(file), this.#text(file, ', suspendd: true'))
      case 'flip':
        this.suspended.set(tenant, this.suspended.get(tenant) !== true)
        return this.#write(this.#homes.get(tenant) ?? 0)
      case 'saveByRename': {
        const draft = join(this.#folder, `.draft-${file}`)
        await writeFile(draft, this.#text(file))
        return rename(draft, this.#path(file))
      }
      case 'saveSlowly':
        return this.#saveSlowly(file)
      case 'renameFile': {
        const before = this.#path(file)
        await this.#write(file)
        this.#names[file] = `${file}-${(this.#renames += 1)}.yaml`
        return rename(before, this.#path(file))
      }
      case 'move': {
        const from = this.#homes.get(tenant) ?? 0
        this.#homes.set(tenant, file)
        await this.#write(file)
        return from === file ? undefined : this.#write(from)
      }
      case 'noise': {
        const noise = join(this.#folder, 'noise.yaml')
        await writeFile(noise, document('noise', false))
        return unlink(noise)
      }
      default:
        return kind satisfies never
    }
  }

  async #saveSlowly(file: number): Promise<void> {
    const text = this.#text(file)
    await writeFile(this.#path(file), text.slice(0, 50))
    await delay(15)
    await appendFile(this.#path(file), text.slice(50))
  }

  #write(file: number): Promise<void> {
    return writeFile(this.#path(file), this.#text(file))
  }

  #text(file: number, fault = ''): string {
    return tenants
      .filter((tenant) => this.#homes.get(tenant) === file)
      .map((tenant) => document(tenant, this.suspended.get(tenant) === true, fault))
      .join('')
  }

  #path(file: number): string {
    return join(this.#folder, this.#names[file] ?? '')
  }
}

interface Action {
  readonly kind:
    | 'break'
    | 'invalidate'
    | 'flip'
    | 'saveByRename'
    | 'saveSlowly'
    | 'renameFile'
    | 'move'
    | 'noise'
  readonly tenant: Tenant
  readonly file: number
  readonly pauseMs: number
}

const actions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Action['kind']>(
      'break',
      'invalidate',
      'flip',
      'saveByRename',
      'saveSlowly',
      'renameFile',
      'move',
      'noise',
    ),
    tenant: fc.constantFrom(...tenants),
    file: fc.nat(2),
    pauseMs: fc.constantFrom(0, 5, 30, 60),
  }),
  { minLength: 5, maxLength: 25 },
)

test(
  'whatever editors do, no object whose document is there goes, and the end is what is written',
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(actions, async (steps) => {
        const folder = await mkdtemp(join(tmpdir(), 'loraplex-attack-'))
        const source = createDirectorySource({
          folder,
          stateFolder: join(folder, '.state'),
          quietMs: 20,
          rescanMs: 200,
        })
        try {
          const editor = new Editor(folder)
          await editor.mendAll()
          await source.start(new AbortController().signal)
          const uids = () =>
            tenants.map((name) => source.current().snapshot.tenants.get(name)?.metadata.uid)
          const before = uids()
          expect(before).not.toContain(undefined)
          const seen: (readonly (string | undefined)[])[] = []
          source.watch(() => seen.push(uids()))
          for (const step of steps) {
            await editor.apply(step)
            await delay(step.pauseMs)
          }
          await editor.mendAll()
          await vi.waitFor(
            () => {
              const { snapshot, problems } = source.current()
              expect(problems).toEqual([])
              expect([...snapshot.tenants.keys()].sort()).toEqual([...tenants])
              for (const [name, suspended] of editor.suspended) {
                expect(snapshot.tenants.get(name)?.spec.suspend).toBe(suspended)
              }
            },
            { timeout: 5000, interval: 10 },
          )
          for (const then of seen) {
            expect(then).toEqual(before)
          }
        } finally {
          await source.close()
          await rm(folder, { recursive: true, force: true })
        }
      }),
      // A failing sequence is short enough to read; trying shorter ones takes minutes.
      { numRuns: 10, endOnFailure: true },
    )
  },
)
