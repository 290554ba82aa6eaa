{{/*
Who may do what: service account × verb × resource, the same whatever the values say. Nobody lists or watches Secrets.
test/integration/chart-rbac.test.ts holds the same table and asks an API server about every cell of it.
*/}}

{{/* In all namespaces: pools, and what is made for them, are where their owners are. */}}
{{- define "loraplex.clusterRules.controller" -}}
- apiGroups: [loraplex.dev]
  resources: [modelpools, loraadapters, modeltenants, tenantkeys]
  verbs: [get, list, watch]
- apiGroups: [loraplex.dev]
  resources: [modelpools/status, loraadapters/status, modeltenants/status, tenantkeys/status]
  verbs: [patch]
- apiGroups: [loraplex.dev]
  # Finalizers, and owners whose deletion waits for what they own.
  resources: [modelpools/finalizers, loraadapters/finalizers]
  verbs: [update]
- apiGroups: ['']
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: ['']
  resources: [pods]
  # Patched: the cost of a deletion, before a scale-down.
  verbs: [get, list, watch, patch]
- apiGroups: ['']
  resources: [services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: ['']
  # By name only.
  resources: [secrets]
  verbs: [get, create, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* In the release's namespace. */}}
{{- define "loraplex.rules.controller" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, patch]
{{- end }}

{{- define "loraplex.clusterRules.gateway" -}}
- apiGroups: [loraplex.dev]
  resources: [modelpools, loraadapters, modeltenants, tenantkeys]
  verbs: [get, list, watch]
- apiGroups: ['']
  resources: [namespaces, pods]
  verbs: [get, list, watch]
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}

{{- define "loraplex.clusterRules.depot" -}}
- apiGroups: ['']
  # Credentials of adapters' sources, by name, where the adapters are.
  resources: [secrets]
  verbs: [get]
{{- end }}

{{/* What people get with the cluster's own roles. */}}
{{- define "loraplex.userRules.view" -}}
- apiGroups: [loraplex.dev]
  resources: [modelpools, loraadapters, modeltenants, tenantkeys]
  verbs: [get, list, watch]
{{- end }}

{{- define "loraplex.userRules.edit" -}}
- apiGroups: [loraplex.dev]
  resources: [loraadapters, tenantkeys]
  verbs: [create, update, patch, delete, deletecollection]
{{- end }}

{{- define "loraplex.userRules.admin" -}}
- apiGroups: [loraplex.dev]
  resources: [modelpools, modeltenants]
  verbs: [create, update, patch, delete, deletecollection]
- apiGroups: [loraplex.dev]
  resources: [modelpools/scale]
  verbs: [get, update, patch]
{{- end }}
