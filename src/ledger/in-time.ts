import { LedgerError } from './ledger-error.ts'

/** The call's answer, unless it takes longer; what comes after that is dropped. @throws LedgerError */
export async function inTime<T>(call: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new LedgerError('Unavailable', `The store did not answer within ${timeoutMs} ms.`))
    }, timeoutMs)
  })
  try {
    return await Promise.race([call, late])
  } finally {
    clearTimeout(timer)
  }
}
