{{/*
Who may do what: service account × verb × resource, the same whatever the values say. Nobody lists or watches Secrets.
test/integration/chart-rbac.test.ts holds the same table and asks an API server about every cell of it.
*/}}

{{/* Whoever comes to the operator's port is asked who it is, and the cluster whether that account may. */}}
{{- define "loraplex.adminAuthRules" -}}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}

{{/* In all namespaces: pools, and what is made for them, are where their owners are. */}}
{{- define "loraplex.clusterRules.controller" -}}
- apiGroups: [loraplex.dev]
  resources: [modelpools, loraadapters, modeltenants, tenantkeys]
  verbs: [list, watch]
- apiGroups: [loraplex.dev]
  resources: [modelpools/status, loraadapters/status, modeltenants/status, tenantkeys/status]
  verbs: [patch]
- apiGroups: ['']
  resources: [namespaces]
  verbs: [list, watch]
- apiGroups: ['']
  # Patched: which one is to go, before a scale-down.
  resources: [pods]
  verbs: [list, watch, patch]
- apiGroups: [apps]
  # Applied, which is a patch and at first a creation; deleted where a spec cannot be run any more, or no claim is to be read.
  resources: [deployments]
  verbs: [list, watch, create, patch, delete]
- apiGroups: ['']
  # These go with their pool, by owner references.
  resources: [services, serviceaccounts]
  verbs: [list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [list, watch, create, patch]
- apiGroups: ['']
  # One for each revision of a pool, made and removed by name. Nothing is read.
  resources: [secrets]
  verbs: [create, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{ include "loraplex.adminAuthRules" . }}
{{- end }}

{{/* In the release's namespace. */}}
{{- define "loraplex.rules.controller" -}}
- apiGroups: ['']
  resources: [secrets]
  resourceNames: [loraplex-installation]
  verbs: [get]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [loraplex-controller]
  verbs: [get, patch]
{{- end }}

{{- define "loraplex.clusterRules.gateway" -}}
- apiGroups: [loraplex.dev]
  resources: [modelpools, loraadapters, modeltenants, tenantkeys]
  verbs: [list, watch]
- apiGroups: ['']
  resources: [namespaces, pods]
  verbs: [list, watch]
{{ include "loraplex.adminAuthRules" . }}
{{- end }}

{{- define "loraplex.clusterRules.depot" -}}
- apiGroups: ['']
  # Credentials of adapters' sources, by name, where the adapters are.
  resources: [secrets]
  verbs: [get]
{{ include "loraplex.adminAuthRules" . }}
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
