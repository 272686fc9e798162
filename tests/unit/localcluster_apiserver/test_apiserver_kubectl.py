"""The real kubectl against the local API server."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.unit.localcluster_apiserver.world import (
    MERGE_PATCH,
    Api,
    Kubectl,
    config_map,
    stateful_set,
    widget,
    widget_definition,
)


def test_kubectl_lists_what_is_served(kubectl: Kubectl, widgets: str) -> None:
    listed = kubectl("api-resources", "--no-headers")

    assert "statefulsets" in listed
    assert "wd" in next(line for line in listed.splitlines() if line.startswith("widgets"))
    assert "v1.36" in kubectl("version")


def test_kubectl_applies_on_the_client_side_and_says_what_changed(kubectl: Kubectl) -> None:
    assert "created" in kubectl("apply", "-f", "-", manifest=stateful_set())
    assert "unchanged" in kubectl("apply", "-f", "-", manifest=stateful_set())
    assert "configured" in kubectl("apply", "-f", "-", manifest=stateful_set(image="nginx:2"))

    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert kubectl("get", "sts", "web", "-o", image) == "nginx:2"


def test_kubectl_applies_on_the_server_side_and_shows_conflicts(kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-f", "-", manifest=config_map("one"))
    theirs = config_map("one", {"key": "other"})

    refused = kubectl.run("apply", "--server-side", "--field-manager=other", "-f", "-", manifest=theirs)

    assert refused.returncode == 1
    assert 'conflict with "kubectl"' in refused.stderr
    kubectl("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", manifest=theirs)
    assert kubectl("get", "cm", "one", "-o", "jsonpath={.data.key}") == "other"


def test_kubectl_validates_against_the_schema(kubectl: Kubectl, widgets: str) -> None:
    refused = kubectl.run("apply", "-f", "-", manifest=widget(spec={"siz": 1}))

    assert refused.returncode == 1
    assert 'unknown field "spec.siz"' in refused.stderr


def test_kubectl_installs_a_definition_waits_for_it_and_uses_it(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", manifest=widget_definition())
    kubectl("wait", "--for=condition=Established", "crd/widgets.example.org", "--timeout=5s")
    kubectl("create", "-f", "-", manifest=widget(spec={"size": 7}))

    header, row = kubectl("get", "wd").splitlines()

    assert header.split() == ["NAME", "SIZE", "READY"]
    assert row.split() == ["one", "7"]
    assert "<integer>" in kubectl("explain", "widgets.spec.size")


def test_kubectl_waits_for_a_condition_and_for_a_deletion(kubectl: Kubectl, api: Api, widgets: str) -> None:
    api.ok("POST", widgets, widget(finalizers=["example.org/hold"]))
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    api.ok("PATCH", f"{widgets}/one/status", status, kind=MERGE_PATCH)

    kubectl("wait", "--for=condition=Ready", "widget/one", "--timeout=5s")
    kubectl("delete", "widget", "one", "--wait=false")
    assert kubectl.run("wait", "--for=delete", "widget/one", "--timeout=1s").returncode == 1
    api.ok("PATCH", f"{widgets}/one", {"metadata": {"finalizers": None}}, kind=MERGE_PATCH)
    kubectl("wait", "--for=delete", "widget/one", "--timeout=5s")


def test_kubectl_describes_an_object_with_its_events(kubectl: Kubectl, api: Api, widgets: str) -> None:
    uid = api.ok("POST", widgets, widget())["metadata"]["uid"]
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Widget", "name": "one", "namespace": "default", "uid": uid},
        "reason": "Made",
        "note": "it was made",
        "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "tester",
        "reportingInstance": "tester-1",
        "action": "Make",
    }
    api.ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)

    described = kubectl("describe", "widget", "one")

    assert "it was made" in described
    assert "Made" in kubectl("get", "events")


@pytest.mark.parametrize("kind", ["statefulset", "service", "configmap", "secret", "pvc", "namespace"])
def test_kubectl_describes_builtin_kinds(kubectl: Kubectl, kind: str) -> None:
    manifests = {
        "statefulset": stateful_set("x"),
        "service": {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 1}]}},
        "configmap": config_map("x"),
        "secret": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": "b"}},
        "pvc": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "x"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        },
        "namespace": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}},
    }
    kubectl("apply", "-f", "-", manifest=manifests[kind])

    assert kubectl("get", kind, "x", "--no-headers").split()[0] == "x"
    assert "x" in kubectl("describe", kind, "x").splitlines()[0]


def test_kubectl_scales_annotates_labels_patches_and_deletes(kubectl: Kubectl, widgets: str) -> None:
    kubectl("apply", "-f", "-", manifest=stateful_set())
    kubectl("apply", "-f", "-", manifest=widget())

    for target in ("sts/web", "widget/one"):
        kubectl("scale", target, "--replicas=3")
        kubectl("annotate", target, "note=here")
        kubectl("label", target, "tier=back")
        kubectl("patch", target, "--type=merge", "-p", '{"metadata":{"annotations":{"note":"there"}}}')
        shown = json.loads(kubectl("get", target, "-o", "json"))
        assert (shown["spec"]["replicas"], shown["metadata"]["annotations"]["note"]) == (3, "there")
        assert shown["metadata"]["labels"]["tier"] == "back"
        assert "deleted" in kubectl("delete", target, "--timeout=5s")
        assert "NotFound" in kubectl.run("get", target).stderr


def test_kubectl_watches(kubectl: Kubectl, api: Api, widgets: str) -> None:
    api.ok("POST", widgets, widget(spec={"size": 1}))
    with kubectl.start("get", "wd", "-w", "--no-headers") as watching:
        assert watching.stdout is not None
        first = watching.stdout.readline().split()
        api.ok("PATCH", f"{widgets}/one", {"spec": {"size": 2}}, kind=MERGE_PATCH)
        second = watching.stdout.readline().split()
        watching.terminate()

    assert (first, second) == (["one", "1"], ["one", "2"])


def test_kubectl_previews_with_a_server_side_dry_run(kubectl: Kubectl) -> None:
    assert "server dry run" in kubectl("apply", "--dry-run=server", "-f", "-", manifest=config_map("one"))

    assert "NotFound" in kubectl.run("get", "cm", "one").stderr


@pytest.mark.parametrize("cascade", ["foreground", "orphan", "background"])
def test_kubectl_deletes_with_every_cascade(kubectl: Kubectl, cascade: str) -> None:
    kubectl("apply", "-f", "-", manifest=config_map("one"))

    kubectl("delete", "cm", "one", f"--cascade={cascade}")

    assert "NotFound" in kubectl.run("get", "cm", "one").stderr


def test_kubectl_is_told_what_is_not_served(kubectl: Kubectl) -> None:
    refused: subprocess.CompletedProcess[str] = kubectl.run("get", "--raw", "/api/v1/watch/pods")

    assert refused.returncode == 1
    assert "does not implement the deprecated /watch/ paths" in refused.stderr
