import { randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { UserError } from '../errors.ts'

/** What a standalone service keeps between its lives. Only its owner can read it: keys and the salt lie there. */
export class StateFolder {
  readonly path: string
  readonly #lock: string

  private constructor(path: string) {
    this.path = path
    this.#lock = join(path, 'lock')
  }

  /** @throws UserError when another service uses the folder, or it cannot be written. */
  static open(path: string): StateFolder {
    const folder = new StateFolder(resolve(path))
    try {
      mkdirSync(folder.path, { recursive: true, mode: 0o700 })
      folder.#takeLock()
    } catch (error) {
      if (error instanceof UserError) {
        throw error
      }
      throw new UserError(
        `The state folder ${folder.path} cannot be written (${codeOf(error)}).\nChoose another with --state FOLDER.`,
      )
    }
    return folder
  }

  /** A secret that is made once. */
  secret(name: string): Buffer {
    const known = this.read(name)
    if (known !== undefined) {
      return Buffer.from(known, 'base64')
    }
    const secret = randomBytes(32)
    this.write(name, secret.toString('base64'))
    return secret
  }

  read(name: string): string | undefined {
    try {
      return readFileSync(join(this.path, name), 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') {
        return undefined
      }
      throw error
    }
  }

  /** Whole or not at all, mode 0600. */
  write(name: string, text: string): void {
    const temporary = join(this.path, `.${name}.${process.pid}`)
    writeFileSync(temporary, text, { mode: 0o600 })
    renameSync(temporary, join(this.path, name))
  }

  close(): void {
    rmSync(this.#lock, { force: true })
  }

  #takeLock(): void {
    for (;;) {
      try {
        const file = openSync(this.#lock, 'wx', 0o600)
        writeFileSync(file, String(process.pid))
        closeSync(file)
        return
      } catch (error) {
        if (codeOf(error) !== 'EEXIST') {
          throw error
        }
      }
      const holder = Number(this.read('lock') ?? '')
      if (Number.isInteger(holder) && holder > 0 && holder !== process.pid && isAlive(holder)) {
        throw new UserError(
          `Another loraplex (process ${holder}) already uses the state folder ${this.path}.\nStop it, or choose another folder with --state FOLDER.`,
        )
      }
      rmSync(this.#lock, { force: true })
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
  try {
    // Ids come round again: only a loraplex can hold the lock.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('cli/main')
  } catch {
    return true
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'error'
}
