type Log = (fields: Readonly<Record<string, unknown>>, message: string) => void

/** What of pino the agent uses. Never a prompt or an answer (I14). */
export interface Logger {
  readonly debug: Log
  readonly info: Log
  readonly warn: Log
  readonly error: Log
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
}
