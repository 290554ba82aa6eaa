import { stringify } from 'yaml'
import { bridge } from './cluster-addresses.ts'

/** The settings files of the node's programs. */

export function kubeletSettings(containerdSocket: string, root: string): string {
  return stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: bridge.address,
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: 'AlwaysAllow' },
    // No systemd, and cgroups of both versions at once, as containers that build things often have.
    cgroupDriver: 'cgroupfs',
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    clusterDNS: [bridge.address],
    clusterDomain: 'cluster.local',
    containerRuntimeEndpoint: `unix://${containerdSocket}`,
    evictionHard: { 'memory.available': '50Mi' },
    failSwapOn: false,
    healthzPort: 0,
    localStorageCapacityIsolation: false,
    makeIPTablesUtilChains: false,
    resolvConf: '',
    volumePluginDir: `${root}/plugins`,
  })
}

export function proxySettings(kubeconfigPath: string): string {
  return stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: kubeconfigPath },
    clusterCIDR: bridge.podRange,
    healthzBindAddress: '',
    metricsBindAddress: '127.0.0.1:10249',
    // Pods on one bridge would answer each other directly, past the translation of the Service's address.
    nftables: { masqueradeAll: true },
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  })
}

export function dnsSettings(kubeconfigPath: string): string {
  return `.:53 {
  bind ${bridge.address}
  kubernetes cluster.local {
    kubeconfig ${kubeconfigPath}
    ttl 1
  }
}
`
}
