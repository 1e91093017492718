"""The Agent's schema at a real API server: what it fills in, and what it refuses before the operator sees it."""

from __future__ import annotations

import pytest
from support.kubectl import Kubectl, KubectlError

SECRET = {"name": "keys", "key": "api.key"}
EVERYTHING = {
    "config": {"inbox": {"overflow": "DropOldest"}, "retry": {"firstBackoff": "1s"}, "budget": {"bytesPerDay": "1Gi"}},
    "handler": {"container": {"image": "acme/logic:1", "env": [{"name": "A", "value": "x"},
                                                              {"name": "B", "valueFrom": {"secretKeyRef": SECRET}}]}},
    "schedules": [{"name": "weekly", "cron": "0 9 * * MON", "timeZone": "Europe/Stockholm", "payload": {"a": [1, {"b": "c"}]}},
                  {"name": "daily", "cron": "@daily", "payload": "text"}],
    "webhooks": [{"source": "github", "scheme": "GitHub", "secretRef": SECRET}],
    "callbacks": {"secretRef": SECRET},
}


def agent(spec: dict) -> dict:
    return {"apiVersion": "openagents.com/v1", "kind": "Agent", "metadata": {"name": "a"}, "spec": spec}


def test_defaults_are_filled_in_and_payloads_are_kept(kubectl: Kubectl) -> None:
    kubectl.apply(agent(EVERYTHING))
    spec = kubectl.get("agent", "a")["spec"]
    assert spec["config"]["retry"] == {"firstBackoff": "1s", "maxAge": "10m", "maxAttempts": 6, "maxBackoff": "30s"}
    assert spec["config"]["inbox"] == {"capacity": 1000, "order": "Strict", "overflow": "DropOldest"}
    assert spec["handler"]["container"]["port"] == 9000
    assert spec["schedules"][0]["payload"] == {"a": [1, {"b": "c"}]}
    assert spec["schedules"][1] == {"name": "daily", "cron": "@daily", "timeZone": "UTC", "missed": "FireOnce", "payload": "text"}
    assert spec["webhooks"][0]["tolerance"] == "5m"


def test_what_cannot_be_is_refused_and_said(kubectl: Kubectl) -> None:
    container = {"image": "acme/logic:1"}
    for spec, message in [
            ({"config": {"retry": {"firstBackoff": "1m"}}}, "must not have a firstBackoff longer than its maxBackoff"),
            ({"handler": {"container": container, "http": {"url": "http://x"}}}, "must not have both container and http"),
            ({"handler": {"container": container | {"port": 8080}}}, "must not be one of the runtime's own ports"),
            ({"handler": {"container": container | {"env": [{"name": "A", "value": "", "valueFrom": {"secretKeyRef": SECRET}}]}}},
             "must not have both value and valueFrom"),
            ({"handler": {"http": {"url": "http://user:secret@x"}}}, "must be an http or https URL"),
            ({"schedules": [{"name": "a", "cron": "* * * *"}]}, "must be a cron expression of five fields"),
            ({"schedules": [{"name": "a", "cron": "@daily"}] * 2}, "Duplicate value"),
            ({"schedules": [{"name": "a", "cron": "@daily", "timeZone": "../x"}]}, "must be the name of an IANA time zone"),
            ({"webhooks": [{"source": "a", "scheme": "GitHub", "secretRef": {"name": "s", "key": ".."}}]},
             "must be a key of a Secret")]:
        with pytest.raises(KubectlError, match=message):
            kubectl.apply(agent(spec))
