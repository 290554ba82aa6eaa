import type { SourceSettings } from '../../src/artifacts/depot/fetch-source.ts'
import { sourceSecretType } from '../../src/artifacts/depot/source-secret.ts'
import { testCertificate } from './https-files.ts'

/** A depot's sources where `adapters.test` is a server of this machine with the test's certificate. */
export const adaptersTestSource: SourceSettings = {
  fileRoots: [],
  allowPrivateHosts: new Set(['adapters.test']),
  maxBytes: 1 << 30,
  resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
  readSecret: () =>
    Promise.resolve({
      type: sourceSecretType,
      data: { 'ca.crt': Buffer.from(testCertificate).toString('base64') },
    }),
}
