/** What the test bed is made of. Exact, so that a test does not change by itself. */
export const versions = {
  kubernetes: 'v1.36.3',
  /** The libraries that Kubernetes publishes apart, of the same release. */
  kubernetesLibraries: 'v0.36.3',
  etcd: 'v3.6.8',
  containerd: 'v2.3.7',
  coredns: 'v1.15.0',
  helm: 'v3.22.0',
} as const
