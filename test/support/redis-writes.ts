import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Commands that took effect together. */
type Transaction = readonly (readonly string[])[]

/** A counter after one write: nobody ever saw it otherwise. */
export interface WrittenCounter {
  readonly key: string
  readonly committed: number
  readonly held: number
}

/**
 * Everything that a Redis with `appendonly yes` ever did, from its own log: through kills and restarts, and each call of
 * the ledger's script is one transaction there.
 */
export function redisWrites(folder: string): readonly Transaction[] {
  const logs = join(folder, 'appendonlydir')
  const names = readdirSync(logs).filter((name) => name.endsWith('.incr.aof'))
  const commands = names.flatMap((name) => commandsIn(readFileSync(join(logs, name), 'latin1')))
  const transactions: (readonly string[])[][] = []
  let open: (readonly string[])[] | undefined
  for (const command of commands) {
    const [word = ''] = command
    switch (word.toUpperCase()) {
      case 'MULTI':
        open = []
        break
      case 'EXEC':
        transactions.push(open ?? [])
        open = undefined
        break
      default:
        if (open === undefined) {
          transactions.push([command])
        } else {
          open.push(command)
        }
    }
  }
  return transactions
}

/** The ledger's counters after each transaction that changed them. */
export function* countersWritten(transactions: readonly Transaction[]): Generator<WrittenCounter> {
  const counters = new Map<string, { c: number; h: number }>()
  for (const transaction of transactions) {
    const changed = new Set<string>()
    for (const [command = '', key = '', field = '', value = ''] of transaction) {
      const [, name] = /^\{[^}]*\}:c:(.*)$/.exec(key) ?? []
      if (name === undefined) {
        continue
      }
      const counter = counters.get(name) ?? { c: 0, h: 0 }
      if (command === 'HINCRBY' && (field === 'c' || field === 'h')) {
        counter[field] += Number(value)
        changed.add(name)
      } else if (command === 'DEL' || command === 'UNLINK') {
        counters.delete(name)
        continue
      }
      counters.set(name, counter)
    }
    for (const key of changed) {
      const { c: committed, h: held } = counters.get(key) ?? { c: 0, h: 0 }
      yield { key, committed, held }
    }
  }
}

/** As Redis writes them: `*COUNT`, then `$LENGTH` and so many bytes for each word. */
function commandsIn(text: string): readonly (readonly string[])[] {
  const commands: string[][] = []
  let at = 0
  const line = (): string => {
    const end = text.indexOf('\r\n', at)
    const found = end === -1 ? '' : text.slice(at, end)
    at = end === -1 ? text.length : end + 2
    return found
  }
  while (at < text.length) {
    const words = Number(line().slice(1))
    commands.push(
      Array.from({ length: words }, () => {
        const length = Number(line().slice(1))
        const word = text.slice(at, at + length)
        at += length + 2
        return word
      }),
    )
  }
  return commands
}
