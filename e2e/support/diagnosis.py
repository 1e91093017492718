"""What a failed test's namespace and the operator looked like, for the report."""

from __future__ import annotations

from .kubectl import Kubectl
from .operator import NAME, NAMESPACE

LOOKS = (
    ("get", "agents,statefulsets,services,pods,persistentvolumeclaims", "--output=wide"),
    ("get", "events", "--sort-by=.lastTimestamp"),
    ("describe", "agents,pods"),
)


def describe(kube: Kubectl) -> str:
    parts = [_section(kube, *words) for words in LOOKS]
    for pod in kube.try_run("get", "pods", "--output=name").stdout.split():
        parts.append(_section(kube, "logs", pod, "--all-containers", "--prefix", "--tail=60"))
    parts.append(_section(kube.within(NAMESPACE), "get", "pods", "--output=wide"))
    parts.append(_section(kube.within(NAMESPACE), "logs", f"--selector=app.kubernetes.io/name={NAME}", "--prefix",
                          "--tail=80", "--ignore-errors"))
    return "\n".join(parts)


def _section(kube: Kubectl, *words: str) -> str:
    done = kube.try_run(*words)
    return f"$ kubectl --namespace={kube.namespace} {' '.join(words)}\n{done.stdout}{done.stderr}"
