import { pino, type Logger } from 'pino'

export type ServiceLogger = Logger

/** One JSON object a line on stderr, or `text`: a line for people. Never a key, a prompt or an answer (I14). */
export function createLogger(options: {
  readonly format: 'text' | 'json'
  readonly level: string
  readonly write: (line: string) => void
}): ServiceLogger {
  const redact = { paths: ['req.headers', 'headers', 'apiKey', 'key', 'err.config'], remove: true }
  return pino(
    { level: options.level, base: null, redact },
    { write: options.format === 'json' ? options.write : (line) => options.write(forPeople(line)) },
  )
}

const levels: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

function forPeople(line: string): string {
  const { level, time, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(Number(time)).toISOString().slice(11, 23)
  const reason =
    typeof err === 'object' && err !== null && 'message' in err ? ` (${String(err.message)})` : ''
  const fields = Object.entries(rest)
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('')
  return `${clock} ${levels[Number(level)] ?? 'info'}: ${String(msg)}${reason}${fields}\n`
}
