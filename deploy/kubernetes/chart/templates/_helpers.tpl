{{- define "parking.labels" -}}
app.kubernetes.io/part-of: smart-parking
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "parking.selector" -}}
app.kubernetes.io/instance: {{ .release }}
app.kubernetes.io/name: {{ .name }}
{{- end }}

{{- /* The ingest that the notifier asks for live pictures, and to add cameras. */}}
{{- define "parking.live" }}{{ ternary "cameras" "ingest" (not (empty .Values.cameras.networks)) }}{{ end }}

{{- define "parking.secretEnv" -}}
- name: {{ .env }}
  valueFrom: { secretKeyRef: { name: {{ .secret }}, key: {{ .key }}{{ if .optional }}, optional: true{{ end }} } }
{{- end }}

{{- /* The environment of one service: what all have, what it alone has, and last the values' own. */}}
{{- define "parking.env" -}}
{{- $v := .root.Values }}
- { name: HTTP_HOST, value: 0.0.0.0 }
- { name: HTTP_PORT, value: {{ .service.port | quote }} }
- { name: LOG_FORMAT, value: json }
- { name: KAFKA_BOOTSTRAP, value: {{ required "kafka.bootstrap is required" $v.kafka.bootstrap | quote }} }
- { name: KAFKA_SECURITY, value: {{ $v.kafka.security }} }
{{- if hasSuffix "PLAINTEXT" $v.kafka.security }}
- { name: KAFKA_ALLOW_PLAINTEXT, value: "on" }
{{- end }}
{{- if hasPrefix "SASL" $v.kafka.security }}
- { name: KAFKA_SASL_MECHANISM, value: {{ $v.kafka.saslMechanism }} }
{{ include "parking.secretEnv" (dict "env" "KAFKA_USERNAME" "key" "kafka-username" "secret" $v.secret) }}
{{ include "parking.secretEnv" (dict "env" "KAFKA_PASSWORD" "key" "kafka-password" "secret" $v.secret) }}
{{- end }}
{{- if $v.kafka.caSecret }}
- { name: KAFKA_CA_FILE, value: /etc/parking/kafka/ca.crt }
{{- end }}
{{- if has .name (list "ingest" "notifier") }}
{{- with $v.hosts }}
- { name: ALLOWED_HOSTS, value: {{ join "," . | quote }} }
{{- end }}
- { name: KEYS_FILE, value: /etc/parking/keys/api_keys }
{{- if eq .name "notifier" }}
- { name: SIGN_IN, value: {{ $v.signIn | quote }} }
{{- if eq $v.signIn "required" }}
- { name: SIGN_IN_SECURE, value: "on" }
{{ include "parking.secretEnv" (dict "env" "ACCOUNTS_DATABASE_URL" "key" "accounts-database-url" "secret" $v.secret) }}
{{ include "parking.secretEnv" (dict "env" "SETUP_CODE" "key" "setup-code" "secret" $v.secret "optional" true) }}
{{ include "parking.secretEnv" (dict "env" "OIDC_CLIENT_SECRET" "key" "oidc-client-secret" "secret" $v.secret "optional" true) }}
{{- end }}
{{- end }}
{{- else }}
- { name: HTTP_ALLOW_OPEN, value: "on" } # network.yaml lets only the cluster's probes and metrics in
{{- end }}
{{- if eq .name "ingest" }}
- { name: MQTT_HOST, value: {{ required "mqtt.host is required" $v.mqtt.host | quote }} }
- { name: MQTT_PORT, value: {{ $v.mqtt.port | quote }} }
- { name: MQTT_USERNAME, value: {{ $v.mqtt.username | quote }} }
- { name: MQTT_SHARE_GROUP, value: parking }
- name: MQTT_CLIENT_ID
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
{{ include "parking.secretEnv" (dict "env" "MQTT_PASSWORD" "key" "mqtt-password" "secret" $v.secret) }}
{{- if $v.mqtt.caSecret }}
- { name: MQTT_CA_FILE, value: /etc/parking/mqtt/ca.crt }
{{- end }}
{{- if .polls }}
- { name: CAMERAS_NETWORKS, value: {{ join "," $v.cameras.networks | quote }} }
{{ include "parking.secretEnv" (dict "env" "CAMERAS_KEY" "key" "cameras-key" "secret" $v.secret) }}
{{- end }}
{{- end }}
{{- if eq .name "persister" }}
{{ include "parking.secretEnv" (dict "env" "DATABASE_URL" "key" "database-url" "secret" $v.secret) }}
{{- end }}
{{- if eq .name "notifier" }}
{{ include "parking.secretEnv" (dict "env" "DATABASE_URL" "key" "database-url-reader" "secret" $v.secret) }}
{{ include "parking.secretEnv" (dict "env" "LIVE_KEY" "key" "live-key" "secret" $v.secret) }}
- { name: DETECTOR_URL, value: "http://{{ .root.Release.Name }}-detector:{{ $v.services.detector.port }}" }
- { name: LIVE_URL, value: "http://{{ .root.Release.Name }}-{{ include "parking.live" .root }}:{{ $v.services.ingest.port }}" }
{{- if $v.cors }}
- { name: CORS_ORIGINS, value: {{ join "," $v.cors | quote }} }
{{- end }}
{{- end }}
{{- if has .name (list "persister" "notifier") }}
- { name: S3_ENDPOINT, value: {{ $v.s3.endpoint | quote }} }
- { name: S3_BUCKET, value: {{ $v.s3.bucket | quote }} }
- { name: S3_REGION, value: {{ $v.s3.region | quote }} }
{{ include "parking.secretEnv" (dict "env" "AWS_ACCESS_KEY_ID" "key" "aws-access-key-id" "secret" $v.secret "optional" true) }}
{{ include "parking.secretEnv" (dict "env" "AWS_SECRET_ACCESS_KEY" "key" "aws-secret-access-key" "secret" $v.secret "optional" true) }}
{{- end }}
{{- range $name, $value := .service.env }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}
