{{- define "livy-gateway.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}-livy-gateway
{{- end }}

{{- define "livy-gateway.account" -}}
{{ default (include "livy-gateway.name" .) .Values.serviceAccount.name }}
{{- end }}

{{/* Network policies of Livy servers let in pods with the first label. */}}
{{- define "livy-gateway.selector" -}}
app.kubernetes.io/name: livygateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "livy-gateway.labels" -}}
{{ include "livy-gateway.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "livy-gateway.caddyfile" -}}
{
	admin 127.0.0.1:2019
	livy {
		redis {$LIVY_REDIS_URL}
		runtime kubernetes {
			service_account {{ .Values.spark.serviceAccount }}
			usage {{ .Values.usage | default "off" }}
{{ .Values.runtime | indent 12 }}
		}
{{ .Values.livy | indent 8 }}
	}
}
{{ .Values.sites }}
{{- end }}
