#!/usr/bin/env bash
# Puts the detection pack into Kibana, gives its rules a webhook, and switches them on. May be run again.
# KIBANA_URL, KIBANA_USER (name:password), ALERT_RECEIVER_URL; the pack is /databricks-audit.ndjson, or the first argument.
set -euo pipefail
pack="${1:-/databricks-audit.ndjson}"
json='content-type: application/json'
connector=databricks-audit-alert-receiver

kibana() {
  curl --fail-with-body --silent --show-error --user "$KIBANA_USER" --header 'kbn-xsrf: true' "$@"
  echo
}

rules() {
  kibana --header "$json" --data "$1" "$KIBANA_URL/api/detection_engine/rules/_bulk_action"
}

# There already, when this is not the first time: then it answers 409.
kibana --header "$json" --data @- "$KIBANA_URL/api/actions/connector/$connector" <<EOF || true
{
  "name": "Alert receiver",
  "connector_type_id": ".webhook",
  "config": {
    "url": "$ALERT_RECEIVER_URL",
    "method": "post",
    "hasAuth": false,
    "headers": { "content-type": "application/json" }
  },
  "secrets": {}
}
EOF

kibana --form "file=@$pack;type=application/ndjson;filename=databricks-audit.ndjson" \
  "$KIBANA_URL/api/detection_engine/rules/_import?overwrite=true"

rules "$(
  cat <<EOF
{
  "action": "edit",
  "query": "alert.attributes.tags: \"Databricks\"",
  "edit": [
    {
      "type": "set_rule_actions",
      "value": {
        "actions": [
          {
            "id": "$connector",
            "group": "default",
            "params": {
              "body": "{\"alerts\": [{\"status\": \"firing\", \"labels\": {\"severity\": \"{{context.rule.severity}}\"}, \"annotations\": {\"summary\": \"{{context.rule.name}}: {{state.signals_count}} alerts\"}}]}"
            },
            "frequency": { "summary": true, "notifyWhen": "onActiveAlert", "throttle": null }
          }
        ]
      }
    }
  ]
}
EOF
)"
rules '{ "action": "enable", "query": "alert.attributes.tags: \"Databricks\"" }'
