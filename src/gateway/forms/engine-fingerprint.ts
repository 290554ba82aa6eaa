/** The engine's own, which tells a tenant its version and topology. */
export const engineFingerprint = /,"system_fingerprint":(?:null|"[^"\\]*")/
