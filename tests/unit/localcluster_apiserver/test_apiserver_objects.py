"""Create, read, replace, delete: what the server decides, and what it refuses."""

from __future__ import annotations

import base64
from typing import Any

from tests.unit.localcluster_apiserver.world import MERGE_PATCH, Api, config_map, stateful_set, widget

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"
STATEFUL_SETS = "/apis/apps/v1/namespaces/default/statefulsets"
PODS = "/api/v1/namespaces/default/pods"


def test_a_created_object_gets_identity_and_time_and_is_read_back_the_same(api: Api) -> None:
    created = api.ok("POST", CONFIG_MAPS, config_map("one"))

    metadata = created["metadata"]
    assert metadata["namespace"] == "default"
    assert metadata["uid"]
    assert metadata["creationTimestamp"].endswith("Z")
    assert int(metadata["resourceVersion"]) > 0
    assert api.ok("GET", f"{CONFIG_MAPS}/one") == created


def test_generate_name_makes_a_new_name_each_time(api: Api) -> None:
    body = config_map("unused") | {"metadata": {"generateName": "some-"}}

    names = {api.ok("POST", CONFIG_MAPS, body)["metadata"]["name"] for _ in range(3)}

    assert len(names) == 3
    assert all(name.startswith("some-") for name in names)


def test_generation_counts_changes_of_the_spec_only(api: Api) -> None:
    created = api.ok("POST", STATEFUL_SETS, stateful_set())
    path = f"{STATEFUL_SETS}/web"

    labelled = api.ok("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, kind=MERGE_PATCH)
    reported = api.ok("PATCH", f"{path}/status", {"status": {"readyReplicas": 1}}, kind=MERGE_PATCH)
    scaled = api.ok("PATCH", path, {"spec": {"replicas": 2}}, kind=MERGE_PATCH)

    generations = [obj["metadata"]["generation"] for obj in (created, labelled, reported, scaled)]
    assert generations == [1, 1, 1, 2]


def test_a_write_that_changes_nothing_keeps_the_resource_version(api: Api) -> None:
    created = api.ok("POST", CONFIG_MAPS, config_map("one"))

    replaced = api.ok("PUT", f"{CONFIG_MAPS}/one", created)
    patched = api.ok("PATCH", f"{CONFIG_MAPS}/one", {"data": {"key": "value"}}, kind=MERGE_PATCH)

    assert replaced == created
    assert patched == created


def test_a_stale_replace_is_a_conflict_and_changes_nothing(api: Api) -> None:
    stale = api.ok("POST", CONFIG_MAPS, config_map("one"))
    fresh = api.ok("PUT", f"{CONFIG_MAPS}/one", stale | {"data": {"key": "first"}})

    answer = api.call("PUT", f"{CONFIG_MAPS}/one", stale | {"data": {"key": "second"}})

    assert (answer.code, answer.reason) == (409, "Conflict")
    assert api.ok("GET", f"{CONFIG_MAPS}/one") == fresh


def test_the_main_endpoint_ignores_status_and_the_status_endpoint_everything_else(api: Api, widgets: str) -> None:
    created = api.ok("POST", widgets, widget(spec={"size": 2}) | {"status": {"phase": "Wished"}})
    assert "status" not in created

    body = {"spec": {"size": 9}, "metadata": {"labels": {"a": "b"}}, "status": {"phase": "Done"}}
    reported = api.ok("PATCH", f"{widgets}/one/status", body, kind=MERGE_PATCH)
    assert (reported["status"], reported["spec"]["size"]) == ({"phase": "Done"}, 2)
    assert "labels" not in reported["metadata"]

    main = api.ok("PATCH", f"{widgets}/one", {"status": {"phase": "Faked"}}, kind=MERGE_PATCH)
    assert main["status"] == {"phase": "Done"}


def test_scale_reads_and_sets_replicas_of_builtin_and_custom_kinds(api: Api, widgets: str) -> None:
    api.ok("POST", STATEFUL_SETS, stateful_set())
    api.ok("POST", widgets, widget())

    for path in (f"{STATEFUL_SETS}/web", f"{widgets}/one"):
        scale = api.ok("GET", f"{path}/scale")
        assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)

        answered = api.ok("PUT", f"{path}/scale", scale | {"spec": {"replicas": 3}})

        assert answered["spec"]["replicas"] == 3
        assert api.ok("GET", path)["spec"]["replicas"] == 3


def test_an_object_with_finalizers_goes_when_the_last_one_does(api: Api, widgets: str) -> None:
    api.ok("POST", widgets, widget(finalizers=["example.org/a", "example.org/b"]))

    marked = api.ok("DELETE", f"{widgets}/one")

    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert marked["metadata"]["generation"] == 2
    kept = api.ok("PATCH", f"{widgets}/one", {"metadata": {"finalizers": ["example.org/b"]}}, kind=MERGE_PATCH)
    assert kept["metadata"]["deletionTimestamp"] == marked["metadata"]["deletionTimestamp"]
    api.ok("PATCH", f"{widgets}/one", {"metadata": {"finalizers": None}}, kind=MERGE_PATCH)
    assert api.call("GET", f"{widgets}/one").code == 404


def test_a_deleted_object_takes_no_new_finalizer_and_a_second_delete_changes_nothing(api: Api, widgets: str) -> None:
    api.ok("POST", widgets, widget(finalizers=["example.org/a"]))
    marked = api.ok("DELETE", f"{widgets}/one")

    assert api.ok("DELETE", f"{widgets}/one") == marked
    body = {"metadata": {"finalizers": ["example.org/a", "example.org/late"]}}
    answer = api.call("PATCH", f"{widgets}/one", body, kind=MERGE_PATCH)
    assert (answer.code, answer.body["details"]["causes"][0]["field"]) == (422, "metadata.finalizers")


def test_delete_honours_preconditions(api: Api) -> None:
    created = api.ok("POST", CONFIG_MAPS, config_map("one"))["metadata"]
    path = f"{CONFIG_MAPS}/one"

    for wrong in ({"uid": "other"}, {"resourceVersion": "1"}):
        answer = api.call("DELETE", path, {"preconditions": wrong})
        assert (answer.code, answer.reason) == (409, "Conflict")

    right = {"uid": created["uid"], "resourceVersion": created["resourceVersion"]}
    gone = api.ok("DELETE", path, {"preconditions": right})
    assert (gone["status"], gone["details"]["uid"]) == ("Success", created["uid"])


def test_delete_collection_takes_what_the_selector_takes(api: Api) -> None:
    for name, tier in (("a", "x"), ("b", "y"), ("c", "x")):
        api.ok("POST", CONFIG_MAPS, config_map(name, labels={"tier": tier}))

    gone = api.ok("DELETE", f"{CONFIG_MAPS}?labelSelector=tier%3Dx")

    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "c"]
    assert [item["metadata"]["name"] for item in api.ok("GET", CONFIG_MAPS)["items"]] == ["b"]


def test_a_running_pod_is_deleted_in_two_steps_and_an_unscheduled_one_at_once(api: Api) -> None:
    pod: dict[str, Any] = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    api.ok("POST", PODS, pod)
    assert api.ok("DELETE", f"{PODS}/p")["status"] == "Success"

    pod["spec"]["nodeName"] = "node"
    api.ok("POST", PODS, pod)
    assert api.ok("DELETE", f"{PODS}/p")["metadata"]["deletionGracePeriodSeconds"] == 30
    assert api.ok("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 0})["status"] == "Success"


def test_a_namespace_goes_with_its_content_and_waits_for_finalizers(api: Api, widgets: str) -> None:
    api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    path = widgets.replace("default", "team")
    api.ok("POST", path, widget(finalizers=["example.org/a"]))
    api.ok("POST", CONFIG_MAPS.replace("default", "team"), config_map("one"))

    marked = api.ok("DELETE", "/api/v1/namespaces/team")

    assert marked["status"]["phase"] == "Terminating"
    assert api.ok("GET", CONFIG_MAPS.replace("default", "team"))["items"] == []
    late = api.call("POST", CONFIG_MAPS.replace("default", "team"), config_map("late"))
    assert (late.code, late.body["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    api.ok("PATCH", f"{path}/one", {"metadata": {"finalizers": None}}, kind=MERGE_PATCH)
    assert api.call("GET", "/api/v1/namespaces/team").code == 404


def test_dry_run_answers_as_usual_and_stores_nothing(api: Api) -> None:
    before = api.ok("GET", CONFIG_MAPS)["metadata"]["resourceVersion"]

    assert api.ok("POST", f"{CONFIG_MAPS}?dryRun=All", config_map("one"))["metadata"]["uid"]

    assert api.call("GET", f"{CONFIG_MAPS}/one").code == 404
    assert api.ok("GET", CONFIG_MAPS)["metadata"]["resourceVersion"] == before


def test_string_data_of_a_secret_becomes_data(api: Api) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"a": "plain"}, "data": {"b": "Yg=="}}

    created = api.ok("POST", "/api/v1/namespaces/default/secrets", secret)

    assert created["data"] == {"a": base64.b64encode(b"plain").decode(), "b": "Yg=="}
    assert "stringData" not in created
    assert created["type"] == "Opaque"


def test_a_service_gets_an_address_that_stays_and_its_defaults(api: Api) -> None:
    created = api.ok("POST", SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})["spec"]

    assert created["clusterIP"].startswith("10.96.")
    assert created["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert (created["type"], created["sessionAffinity"]) == ("ClusterIP", "None")
    exposed = api.ok("PATCH", f"{SERVICES}/s", {"spec": {"type": "LoadBalancer"}}, kind=MERGE_PATCH)["spec"]
    assert exposed["clusterIP"] == created["clusterIP"]
    assert 30000 <= exposed["ports"][0]["nodePort"] <= 32767
    bare = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}}
    assert api.ok("PUT", f"{SERVICES}/s", bare)["spec"]["clusterIP"] == created["clusterIP"]
    refused = api.call("PATCH", f"{SERVICES}/s", {"spec": {"clusterIP": "10.96.9.9"}}, kind=MERGE_PATCH)
    assert refused.code == 422


def test_a_headless_service_keeps_none_as_its_address(api: Api) -> None:
    spec = {"clusterIP": "None", "ports": [{"port": 80}]}

    assert api.ok("POST", SERVICES, {"metadata": {"name": "s"}, "spec": spec})["spec"]["clusterIPs"] == ["None"]


def test_quantities_are_written_in_their_one_canonical_way(api: Api) -> None:
    claim = {
        "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
    }

    created = api.ok("POST", "/api/v1/namespaces/default/persistentvolumeclaims", claim)

    assert created["spec"]["resources"]["requests"]["storage"] == "1Gi"
    assert created["spec"]["volumeMode"] == "Filesystem"
    assert created["status"]["phase"] == "Pending"


def test_an_event_is_the_same_object_in_both_of_its_apis(api: Api) -> None:
    event = {
        "metadata": {"name": "e"},
        "regarding": {"kind": "Widget", "name": "one", "namespace": "default", "uid": "u1"},
        "reason": "Made",
        "note": "it was made",
        "type": "Normal",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "tester",
        "reportingInstance": "tester-1",
        "action": "Make",
    }
    shown = api.ok("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event)
    assert (shown["apiVersion"], shown["note"]) == ("events.k8s.io/v1", "it was made")

    selector = "fieldSelector=involvedObject.uid%3Du1,involvedObject.kind%3DWidget"
    core = api.ok("GET", f"/api/v1/namespaces/default/events?{selector}")["items"]

    assert [(item["message"], item["involvedObject"]["name"]) for item in core] == [("it was made", "one")]
    assert core[0]["reportingComponent"] == "tester"
