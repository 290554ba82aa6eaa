/** Whether it names a time zone of the IANA database. */
export function isTimeZone(name: string): boolean {
  try {
    return Intl.DateTimeFormat('en-CA', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}
