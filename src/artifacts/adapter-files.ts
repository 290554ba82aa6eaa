/** The two files an adapter consists of, in the order in which its digest covers them. */
export const adapterFileNames = ['adapter_config.json', 'adapter_model.safetensors'] as const
export type AdapterFileName = (typeof adapterFileNames)[number]

/** Research: reliability-security 4.3. PEFT's own files are about 1 KiB. */
export const maxConfigBytes = 256 * 1024
export const maxConfigDepth = 16

/** Files that PEFT or torch pickled: present without safetensors, they explain why the weights are missing. */
export const pickledFileNames: readonly string[] = ['adapter_model.bin', 'adapter_model.pt']

export function isAdapterFileName(name: string): name is AdapterFileName {
  return adapterFileNames.some((known) => known === name)
}
