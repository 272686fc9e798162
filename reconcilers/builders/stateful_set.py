"""The StatefulSet that runs the server: one pod, which a change of its template replaces."""

from __future__ import annotations

from informers.resource import Manifest
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import STATEFUL_SET
from reconcilers.builders.inputs import PodInputs
from reconcilers.builders.metadata import child
from reconcilers.builders.pod import pod_template


def stateful_set(instance: DittoFS, inputs: PodInputs) -> Manifest:
    """The StatefulSet of `instance`: the same arguments give the same manifest, byte for byte."""
    name = instance.metadata.name
    manifest = child(instance, STATEFUL_SET, names.stateful_set(name))
    manifest["spec"] = {
        "replicas": instance.spec.replicas,
        # With the default a pod that never gets ready blocks its own repair (kubernetes#67250); it is fixed for good.
        "podManagementPolicy": "Parallel",
        "serviceName": names.headless_service(name),
        "selector": {"matchLabels": names.selector_labels(name)},
        "template": pod_template(instance, inputs),
    }
    return manifest
