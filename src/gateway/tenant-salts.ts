import { createHmac } from 'node:crypto'

/** I7: equal prompts of two tenants never share KV blocks. */
export class TenantSalts {
  readonly #secret: Buffer
  readonly #salts = new Map<string, string>()

  constructor(secret: Buffer) {
    this.#secret = secret
  }

  of(tenant: string): string {
    let salt = this.#salts.get(tenant)
    if (salt === undefined) {
      salt = createHmac('sha256', this.#secret).update(tenant).digest('base64url')
      this.#salts.set(tenant, salt)
    }
    return salt
  }
}
