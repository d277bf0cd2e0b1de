{{/* What all pods of the site have in common. "accord.pod" and others take a dict: root, and what each says. */}}

{{- define "accord.name" -}}
{{- printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "accord.selector" -}}
app.kubernetes.io/name: accord
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "accord.labels" -}}
{{ include "accord.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "accord.image" -}}
{{- $images := .root.Values.images -}}
image: {{ printf "%s:%s" (get $images .image) ($images.tag | default .root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ $images.pullPolicy }}
{{- end }}

{{/* All of a pod but its containers. Takes part, the values of what runs in it; memory where it has /dev/shm. */}}
{{- define "accord.pod" -}}
automountServiceAccountToken: {{ not (empty .part.serviceAccountName) }}
{{- with .part.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
# A Service's own variables could be taken for settings.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
volumes:
  - name: data
    persistentVolumeClaim:
      claimName: {{ required "Give data.claim: a PersistentVolumeClaim that all machines may write." .root.Values.data.claim }}
  - name: scratch
    emptyDir: {}
  {{- with .part.sharedMemory }}
  - name: memory
    emptyDir: {medium: Memory, sizeLimit: {{ . }}}
  {{- end }}
{{- end }}

{{/* All of a container but its name, image, command, probes and ports. */}}
{{- define "accord.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env: {{ include "accord.environment" .root | nindent 2 }}
{{- $resources := deepCopy (.part.resources | default dict) }}
{{- if .part.gpus }}
{{- $limits := merge (dict "nvidia.com/gpu" .part.gpus) ($resources.limits | default dict) }}
{{- $resources = set $resources "limits" $limits }}
{{- end }}
resources: {{ toYaml $resources | nindent 2 }}
volumeMounts:
  - {name: data, mountPath: /var/lib/accord}
  - {name: scratch, mountPath: /tmp}
  {{- if .part.sharedMemory }}
  - {name: memory, mountPath: /dev/shm}
  {{- end }}
{{- end }}

{{- define "accord.environment" -}}
{{- $host := required "Give host: the name by which people reach the site." .Values.host -}}
{{- $secret := required "Give secret.name: a Secret with the keys secret-key, database-url and redis-url." .Values.secret.name -}}
- {name: ACCORD_VAR, value: /var/lib/accord}
- {name: ALLOWED_HOSTS, value: {{ $host | quote }}}
- {name: TRUSTED_ORIGINS, value: {{ printf "https://%s" $host | quote }}}
- {name: SITE_URL, value: {{ printf "https://%s" $host | quote }}}
- {name: HTTPS, value: "1"}
{{- if not (hasKey .Values.settings "LOG_FORMAT") }}
- {name: LOG_FORMAT, value: json}
{{- end }}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- range $name, $key := dict "SECRET_KEY" "secret-key" "DATABASE_URL" "database-url" "REDIS_URL" "redis-url" }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: {{ $key }}}
{{- end }}
- name: EMAIL_URL
  valueFrom:
    secretKeyRef: {name: {{ $secret }}, key: email-url, optional: true}
{{- end }}

{{- define "accord.worker" -}}
[celery, -A, accord, worker, --queues, {{ join "," .queues | quote }}, --concurrency, {{ .concurrency | quote }}, --pool, threads, --without-gossip, --without-mingle, --without-heartbeat]
{{- end }}
