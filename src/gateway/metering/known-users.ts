import { createHmac } from 'node:crypto'
import type { Limits } from '../../api/limits.ts'
import { capsOfUser, type Cap } from '../../core/terms.ts'

/** More are forgotten, and worked out again. */
const maxUsers = 10_000
/** Longer names are not kept. */
const maxNameLength = 256

/** A user of a tenant, as counters and bills know it. */
export class KnownUser {
  readonly #tenant: string
  #limits: Limits | undefined
  #bucket = ''
  #caps: readonly Cap[] = []
  /** The same for the same user of a tenant, and no way back to the name. */
  readonly hash: string

  constructor(tenant: string, hash: string) {
    this.#tenant = tenant
    this.hash = hash
  }

  /** Put together once for the limits of each user. @param bucket whose counters they are */
  capsOf(limits: Limits, bucket: string): readonly Cap[] {
    if (limits !== this.#limits || bucket !== this.#bucket) {
      this.#limits = limits
      this.#bucket = bucket
      this.#caps = capsOfUser(this.#tenant, bucket, limits)
    }
    return this.#caps
  }
}

/** Those who called of late: a keyed hash is the dearest part of what a request's limits cost. */
export class KnownUsers {
  readonly #secret: Buffer
  readonly #users = new Map<string, KnownUser>()

  /** @param secret key of the hashes */
  constructor(secret: Buffer) {
    this.#secret = secret
  }

  of(tenant: string, user: string): KnownUser {
    const name = `user\0${tenant}\0${user}`
    const known = this.#users.get(name)
    if (known !== undefined) {
      return known
    }
    const hash =
      user === ''
        ? ''
        : createHmac('sha256', this.#secret).update(name).digest('base64url').slice(0, 22)
    const added = new KnownUser(tenant, hash)
    if (this.#users.size >= maxUsers) {
      this.#users.clear()
    }
    if (user.length <= maxNameLength) {
      this.#users.set(name, added)
    }
    return added
  }
}
