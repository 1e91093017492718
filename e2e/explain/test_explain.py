"""kubectl explain is the reference of the manifest."""

import pytest


@pytest.mark.parametrize("field, sentences", [
    ("agent.spec.storage", ["Size of the disk, such as 10Gi. Default 1Gi; at least 128Mi.", "Default Retain.",
                            "Absent means the cluster's default class."]),
    ("agent.spec.config.maxTickDuration", ["Default 30s; 100ms to 24h."]),
    ("agent.spec.replicas", ["kubectl scale sets it. Default 1; 0 or 1."]),
    ("ag.status.conditions", ["Ready: a request will be answered."]),
])
def test_it_tells_units_defaults_and_ranges(kubectl, field, sentences):
    text = " ".join(kubectl.run("explain", field).split())
    for sentence in sentences:
        assert sentence in text
