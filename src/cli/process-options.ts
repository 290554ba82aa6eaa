import { createLogger, type ServiceLogger } from '../telemetry/logger.ts'
import type { CommandIo } from './command.ts'

/** Of every command that runs a process of a cluster. */
export const processOptions = {
  'log-level': {
    type: 'string',
    summary: 'Least level that is logged',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
  },
} as const

/** A TCP port; 0 takes any free one. */
export const portOption = { type: 'integer', minimum: 0, maximum: 65_535 } as const

export function processLogger(
  io: CommandIo,
  options: { readonly 'log-level': 'debug' | 'info' | 'warn' | 'error' },
): ServiceLogger {
  return createLogger({ format: io.logFormat, level: options['log-level'], write: io.err })
}
