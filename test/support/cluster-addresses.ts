/** The bridge that pods hang on. The node, the API server and DNS have its address: nothing can be on loopback. */
export const bridge = {
  name: 'lpx0',
  address: '10.88.0.1',
  podRange: '10.88.0.0/16',
} as const

export const serviceRange = '10.0.0.0/24'

/** The first of the range is Service `kubernetes`. */
export const apiServiceAddress = '10.0.0.1'

export const nodeName = 'node-0'
