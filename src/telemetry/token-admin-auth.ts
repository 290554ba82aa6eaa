import { timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { UserError } from '../errors.ts'
import type { AdminAuth } from './admin-auth.ts'

const shortestToken = 16

/**
 * One bearer token, from a file that is read again at each question: a mounted Secret changes without a restart.
 *
 * @throws UserError where the file cannot be read, or holds too little to be a token.
 */
export async function createTokenAdminAuth(path: string): Promise<AdminAuth> {
  let token = await readToken(path)
  return {
    check: async (authorization) => {
      token = await readToken(path).catch(() => token)
      const shown = Buffer.from(authorization ?? '')
      const wanted = Buffer.from(`Bearer ${token}`)
      if (shown.length === 0) {
        return 'Unknown'
      }
      return shown.length === wanted.length && timingSafeEqual(shown, wanted)
        ? 'Allowed'
        : 'Unknown'
    },
  }
}

async function readToken(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`--admin-token-file ${path} cannot be read (${error.code ?? 'error'}).`)
  })
  const token = text.trim()
  if (token.length < shortestToken) {
    throw new UserError(
      `--admin-token-file ${path} holds ${token.length} characters; a token has at least ${shortestToken}.`,
    )
  }
  return token
}
