/** What of pino this folder uses. Never a Secret's value or a token (I14). */
export interface KubeLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export const silentKubeLogger: KubeLogger = { info: () => undefined, warn: () => undefined }
