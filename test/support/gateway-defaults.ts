import type { GatewayProcessOptions } from '../../src/cluster/gateway-process.ts'

/** A gateway's process on any free ports, as tests of clusters start it. */
export const gatewayDefaults = {
  ports: { http: 0, admin: 0, internal: 0 },
  unknownFields: 'Drop',
  maxQueueMs: 10_000,
  maxColdStartMs: 0,
  maxConfigAgeMs: 86_400_000,
  adminAuth: { kind: 'None' },
} as const satisfies Partial<GatewayProcessOptions>
