/** The reason of `Ready` of an adapter that is beyond its tenant's quota. */
export const quotaExceeded = 'QuotaExceeded'
