import type { Kind } from '../api/kinds.ts'

export interface PrinterColumn {
  readonly name: string
  readonly type: 'string' | 'integer' | 'date'
  readonly jsonPath: string
  /** 1 is only shown with `-o wide`. */
  readonly priority?: 1
}

const readiness: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', jsonPath: ready('status') },
  { name: 'Reason', type: 'string', jsonPath: ready('reason') },
]

const tail: readonly PrinterColumn[] = [
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  { name: 'Message', type: 'string', jsonPath: ready('message'), priority: 1 },
]

/** As `loraplex get` prints them, as far as one path a column can say it. */
export const printerColumns: Readonly<Record<Kind, readonly PrinterColumn[]>> = {
  ModelPool: [
    ...readiness,
    { name: 'Desired', type: 'integer', jsonPath: '.status.desiredReplicas' },
    { name: 'Replicas', type: 'integer', jsonPath: '.status.readyReplicas' },
    { name: 'Adapters', type: 'integer', jsonPath: '.status.adapters.routable' },
    { name: 'Engine', type: 'string', jsonPath: '.status.engine.version' },
    { name: 'Advised-Slots', type: 'integer', jsonPath: '.status.advice.maxLoras', priority: 1 },
    { name: 'Model', type: 'string', jsonPath: '.spec.model.uri', priority: 1 },
    ...tail,
  ],
  LoraAdapter: [
    { name: 'Pool', type: 'string', jsonPath: '.spec.poolRefs[0].name' },
    { name: 'Model', type: 'string', jsonPath: '.spec.modelName' },
    ...readiness,
    { name: 'Copies', type: 'integer', jsonPath: '.status.copies.routable' },
    {
      name: 'Revision',
      type: 'string',
      jsonPath: '.status.revisions[?(@.role=="Active")].revision',
      priority: 1,
    },
    { name: 'Rank', type: 'integer', jsonPath: '.status.rank', priority: 1 },
    ...tail,
  ],
  ModelTenant: [
    ...readiness,
    { name: 'Namespaces', type: 'string', jsonPath: '.status.namespaces', priority: 1 },
    { name: 'Adapters', type: 'integer', jsonPath: '.status.adapters' },
    { name: 'Keys', type: 'integer', jsonPath: '.status.keys' },
    ...tail,
  ],
  TenantKey: [
    { name: 'Tenant', type: 'string', jsonPath: '.status.tenant' },
    { name: 'ID', type: 'string', jsonPath: '.spec.id' },
    ...readiness,
    { name: 'Expires', type: 'string', jsonPath: '.spec.expirationTime' },
    ...tail,
  ],
}

function ready(field: string): string {
  return `.status.conditions[?(@.type=="Ready")].${field}`
}
