{{- define "loraplex.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for "-controller" and what Deployments add to names of pods. */}}
{{- define "loraplex.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- $name := include "loraplex.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a component's pods are found by; never changes between versions. Takes (root, component). */}}
{{- define "loraplex.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "loraplex.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* Labels of an object. Takes (root, component). */}}
{{- define "loraplex.labels" -}}
{{- $root := index . 0 -}}
{{ include "loraplex.selector" . }}
app.kubernetes.io/part-of: loraplex
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "loraplex.image" -}}
{{- $image := .Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Everything of a pod that the three processes share. Takes (root, component). */}}
{{- define "loraplex.podSettings" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
serviceAccountName: {{ include "loraplex.fullname" $root }}-{{ $component }}
automountServiceAccountToken: true
# Variables that Kubernetes makes of Services would read as our flags: LORAPLEX_DEPOT_PORT.
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    # Each version by itself: pods that drain for an hour must not push new ones together.
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels:
        {{- include "loraplex.selector" (list $root $component) | nindent 8 }}
  {{- end }}
  {{- end }}
{{- end }}

{{/* Image and what no container may do. */}}
{{- define "loraplex.containerSettings" -}}
image: {{ include "loraplex.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/*
Takes (root, component). What extraEnv names is left to it. Sizes of the young generation in MiB: a gateway's requests are
short-lived garbage, what a controller holds lives long. The depot looks names up on half of its threads, and one whose
server is silent holds its thread for long. The root is read-only.
*/}}
{{- define "loraplex.env" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
{{- $env := dict "HOME" "/tmp" -}}
{{- if eq $component "controller" }}{{ $_ := set $env "NODE_OPTIONS" "--max-semi-space-size=8" }}{{ end -}}
{{- if eq $component "gateway" }}{{ $_ := set $env "NODE_OPTIONS" "--max-semi-space-size=32" }}{{ end -}}
{{- if eq $component "depot" }}{{ $_ := set $env "UV_THREADPOOL_SIZE" "128" }}{{ end -}}
{{- range $values.extraEnv }}{{ $_ := unset $env .name }}{{ end -}}
{{- range $name, $value := $env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- if $root.Values.extraCaBundle.configMap }}
- name: NODE_EXTRA_CA_CERTS
  value: /var/run/loraplex-ca/{{ $root.Values.extraCaBundle.key }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Takes (root, component). */}}
{{- define "loraplex.volumeMounts" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
- name: installation
  mountPath: /var/run/loraplex
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if $root.Values.extraCaBundle.configMap }}
- name: extra-ca
  mountPath: /var/run/loraplex-ca
  readOnly: true
{{- end }}
{{- with $values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
The installation's secret is made by the controller where there is none, so its own mount is optional. Takes
(root, component).
*/}}
{{- define "loraplex.volumes" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index $root.Values $component -}}
- name: installation
  secret:
    secretName: loraplex-installation
    defaultMode: 288 # 0440
    {{- if eq $component "controller" }}
    optional: true
    {{- end }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- if $root.Values.extraCaBundle.configMap }}
- name: extra-ca
  configMap:
    name: {{ $root.Values.extraCaBundle.configMap }}
{{- end }}
{{- with $values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Without versions: pods are replaced when something of theirs changes, not with every chart. */}}
{{- define "loraplex.podMetadata" -}}
{{- $root := index . 0 -}}
{{- $values := index $root.Values (index . 1) -}}
labels:
  {{- include "loraplex.selector" . | nindent 2 }}
  {{- with $root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with $values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Flags that every process takes. Takes (root, component). */}}
{{- define "loraplex.commonArgs" -}}
{{- $root := index . 0 -}}
- --secret-file=/var/run/loraplex/secret
- --admin-auth={{ $root.Values.adminAuth }}
- --log-level={{ $root.Values.logLevel }}
- --log-format={{ $root.Values.logFormat }}
{{- range (index $root.Values (index . 1)).extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}
