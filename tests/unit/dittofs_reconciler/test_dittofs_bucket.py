"""A bucket for the contents of files: the keys in the server's rows, the cache in front of it, others in the bucket."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from informers.errors import ServerError
from informers.event import Added, Deleted, Updated
from informers.resource import ObjectKey
from informers.result import RequeueAfter
from reconcilers import names
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.resources import (
    CHILDREN,
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_SHARE,
    PERSISTENT_VOLUME_CLAIM,
    SECRET,
    SERVICE,
    STATEFUL_SET,
)
from reconcilers.dittofs.caches import instances_of_same_bucket
from reconcilers.remote_store import S3Keys, settings, with_keys
from reconcilers.server.rows import Store
from tests.support.dittofs_world import DEMO, NAMESPACE, World

OLD = S3Keys("AKOLDIDENTIFIER", "an-old-s3cr3t-key")
NEW = S3Keys("AKNEWIDENTIFIER", "a-new-s3cr3t-key")
S3: dict[str, Any] = {
    "bucket": "files",
    "endpoint": "http://127.0.0.1:1",
    "allowPrivateEndpoint": True,
    "credentialsSecretRef": {"name": "keys"},
}


def payload(**s3: Any) -> dict[str, Any]:
    return {"type": "s3", "s3": {**S3, **s3}}


def run(world: World, **spec: Any) -> None:
    world.create_secret("keys", access_key_id=OLD.access_key_id, secret_access_key=OLD.secret_access_key)
    world.run(**{"payload": payload(), **spec})
    add_row(world, "export")


def add_row(world: World, share: str, keys: S3Keys = OLD) -> None:
    """The row that a share has, as the share reconciler makes it."""
    instance = DittoFS.from_view(world.get(DITTOFS, "demo"))
    config = with_keys(settings(instance, f"/{share}"), keys)
    world.session().create_remote_store(f"op-{share}", store_type="s3", config=config)


def row(world: World, share: str = "export") -> Store:
    found = world.session().remote_store(f"op-{share}")
    assert found is not None
    return found


def rotate(world: World) -> None:
    world.change_secret("keys", access_key_id=NEW.access_key_id, secret_access_key=NEW.secret_access_key)


def template(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get(STATEFUL_SET, "demo")["spec"]["template"]
    return found


def config_hash(world: World) -> str:
    return str(template(world)["metadata"]["annotations"][names.CONFIG_HASH_ANNOTATION])


def restart(world: World) -> None:
    world.stop_server()
    world.roll_out()
    world.start_server()


def test_the_pod_has_a_cache_in_place_of_the_payload_and_its_size_for_each_share(world: World) -> None:
    run(world, cache={"size": "3Gi", "storage": {"size": "5Gi"}})

    claims = {name for name in world.children() if name.startswith("PersistentVolumeClaim")}
    assert claims == {f"PersistentVolumeClaim demo-{part}" for part in ("controlplane", "metadata", "cache")}
    requested = world.get(PERSISTENT_VOLUME_CLAIM, "demo-cache")["spec"]["resources"]["requests"]["storage"]
    assert requested == "5Gi"
    mounts = {mount["mountPath"] for mount in template(world)["spec"]["containers"][0]["volumeMounts"]}
    assert "/data/cache" in mounts
    assert "/data/payload" not in mounts
    settings = yaml.safe_load(world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["config.yaml"])
    assert settings["blockstore"] == {"local": {"default_remote_cache_size": 3 * 1024**3}}
    assert world.status["phase"] == "Running"
    assert world.status["payloadLocation"] == "s3://files/storage/demo/"


def test_the_keys_stand_in_no_object(world: World) -> None:
    run(world)
    rotate(world)
    world.settle()

    everything = str(world.client.list(DITTOFS).items) + str(world.recorder.events)
    for resource in (CONFIG_MAP, STATEFUL_SET, SERVICE, PERSISTENT_VOLUME_CLAIM):
        everything += str(world.client.list(resource).items)
    for keys in (OLD, NEW):
        assert keys.secret_access_key not in everything
        assert keys.access_key_id not in everything
        assert keys.fingerprint not in everything


def test_an_authority_of_the_endpoint_is_mounted_and_named_to_the_server(world: World) -> None:
    world.create_secret("authority", **{"ca.crt": "PEM"})
    run(world, payload=payload(caSecretRef={"name": "authority"}))

    pod = template(world)["spec"]
    assert {"name": "SSL_CERT_FILE", "value": "/run/dittofs/s3/ca.crt"} in pod["containers"][0]["env"]
    volume = next(volume for volume in pod["volumes"] if volume["name"] == "s3-ca")
    assert volume["secret"]["secretName"] == "authority"
    assert volume["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    before = config_hash(world)
    world.change_secret("authority", **{"ca.crt": "another"})
    world.reconcile()
    assert config_hash(world) != before


def test_rotated_keys_are_in_the_rows_before_the_pod_rolls_once(world: World) -> None:
    """The pod takes up its rows when it starts, so a roll before the row would need a second one."""
    run(world)
    before = config_hash(world)
    rotate(world)
    calls = world.count_calls()

    world.reconcile()

    assert row(world).config["access_key_id"] == NEW.access_key_id
    assert "PUT /api/v1/store/block/remote/op-export" in calls
    rolled = config_hash(world)
    assert rolled != before
    assert "ServerConfigured" in world.recorder.reasons()
    restart(world)
    world.settle()
    assert config_hash(world) == rolled
    assert names.RESTARTED_ANNOTATION not in template(world)["metadata"]["annotations"]
    assert world.status["phase"] == "Running"


@pytest.mark.parametrize("change", [{"region": "eu-west-1"}, {"forcePathStyle": False}])
def test_a_setting_of_the_bucket_is_in_the_rows_before_the_pod_rolls(world: World, change: dict[str, Any]) -> None:
    run(world)
    before = config_hash(world)
    world.change_spec(payload={"s3": change})

    world.reconcile()

    found = row(world).config
    assert (found["region"], found.get("force_path_style")) == (
        change.get("region", "us-east-1"),
        change.get("forcePathStyle"),
    )
    assert config_hash(world) != before


def test_what_somebody_else_set_in_a_row_stays_and_other_rows_are_left_alone(world: World) -> None:
    run(world)
    world.session().update_remote_store(
        "op-export", config={**row(world).config, "parallel_uploads": 7, "secret_access_key": "********"}
    )
    foreign = {"bucket": "theirs", "access_key_id": "a", "secret_access_key": "b"}
    world.session().create_remote_store("op-theirs", store_type="s3", config=foreign)
    rotate(world)

    world.reconcile()

    assert row(world).config["parallel_uploads"] == 7
    assert row(world, "theirs").config["access_key_id"] == "a"


def test_keys_that_rotate_while_the_server_is_down_reach_it_with_one_more_start(world: World) -> None:
    run(world)
    world.stop_server()
    world.set_pod(ready=False)
    rotate(world)
    world.reconcile()
    rolled = config_hash(world)
    restart(world)

    world.settle()

    assert row(world).config["access_key_id"] == NEW.access_key_id
    assert config_hash(world) == rolled
    process = template(world)["metadata"]["annotations"][names.RESTARTED_ANNOTATION]
    assert process
    restart(world)
    world.restarted()
    world.settle()
    assert template(world)["metadata"]["annotations"][names.RESTARTED_ANNOTATION] == process
    assert world.status["phase"] == "Running"


def test_an_operator_that_dies_between_row_and_restart_is_followed_by_one_that_restarts(world: World) -> None:
    run(world)
    world.session().update_remote_store("op-export", config={**row(world).config, "region": "by-hand"})
    world.restarted()
    world.reconcile()  # Puts the row right, and would restart the server in its next pass.
    assert row(world).config["region"] == "us-east-1"
    assert names.RESTARTED_ANNOTATION not in template(world)["metadata"]["annotations"]

    world.restarted()
    world.settle()

    assert template(world)["metadata"]["annotations"][names.RESTARTED_ANNOTATION]


def test_many_rows_are_changed_in_several_passes_and_the_pod_waits_for_the_last(world: World) -> None:
    run(world)
    for number in range(14):
        add_row(world, f"s{number}")
    before = config_hash(world)
    rotate(world)

    world.reconcile()
    assert config_hash(world) == before
    world.reconcile()

    assert config_hash(world) != before
    rows = world.session().remote_stores()
    assert {found.config["access_key_id"] for found in rows} == {NEW.access_key_id}


def test_a_bucket_that_the_server_refuses_is_told_and_does_not_hold_up_the_rest(world: World) -> None:
    run(world)
    before = config_hash(world)

    world.change_spec(payload={"s3": {"allowPrivateEndpoint": False}})
    world.reconcile()

    assert config_hash(world) != before
    assert world.condition("Degraded") == ("True", "BucketRefused")
    assert "set spec.payload.s3.allowPrivateEndpoint of the DittoFS to true" in world.message("Degraded")


def test_keys_that_vanish_keep_the_running_pod(world: World) -> None:
    run(world)
    before = config_hash(world)

    world.change_secret("keys", secret_access_key="")
    world.reconcile()

    assert config_hash(world) == before
    assert world.condition("ConfigReady") == ("False", "SecretInvalid")
    assert 'spec.payload.s3.credentialsSecretRef: Secret "keys" is empty' in world.message("ConfigReady")


def test_a_steady_instance_asks_for_its_rows_once_for_each_start(world: World) -> None:
    run(world)
    world.reconcile()
    calls = world.count_calls()

    assert world.requests_of(passes=3) == []

    assert not [call for call in calls if "remote" in call]


# --- the cache


def selector(world: World, service: str) -> dict[str, str]:
    found: dict[str, str] = world.get(SERVICE, service)["spec"]["selector"]
    return found


def lose_cache(world: World) -> None:
    world.stop_server()
    world.delete(PERSISTENT_VOLUME_CLAIM, "demo-cache")
    world.set_pod(ready=False)


def test_a_first_cache_is_not_lost(world: World) -> None:
    run(world)

    assert world.status["cacheLost"] is False
    assert (
        names.CACHE_LOST_ANNOTATION not in world.get(PERSISTENT_VOLUME_CLAIM, "demo-cache")["metadata"]["annotations"]
    )
    assert set(selector(world, "demo-nfs")) == set(names.selector_labels("demo"))


def test_a_cache_that_was_lost_lets_nobody_in_until_a_person_says_so(world: World) -> None:
    """Without its cache the server reads every file as zeros, without an error."""
    run(world)
    lose_cache(world)

    world.reconcile()

    assert world.get(PERSISTENT_VOLUME_CLAIM, "demo-cache")["metadata"]["annotations"][names.CACHE_LOST_ANNOTATION]
    assert world.condition("Degraded") == ("True", "CacheLost")
    assert "demo-cache dittofs.dittofs.io/cache-lost-" in world.message("Degraded")
    assert world.status["cacheLost"] is True
    for service in ("demo-nfs", "demo-headless"):
        assert selector(world, service)[names.CLOSED_LABEL] == "cache-lost"
    assert names.CLOSED_LABEL not in selector(world, "demo-api")

    world.restarted()
    world.settle()
    assert world.status["cacheLost"] is True

    patch = {"metadata": {"annotations": {names.CACHE_LOST_ANNOTATION: None}}}
    world.change(PERSISTENT_VOLUME_CLAIM, "demo-cache", patch)
    world.settle()
    assert world.status["cacheLost"] is False
    assert world.condition("Degraded")[0] == "False"
    for service in ("demo-nfs", "demo-headless"):
        assert names.CLOSED_LABEL not in selector(world, service)


def test_the_services_are_closed_before_the_claim_is_made_anew(world: World) -> None:
    run(world)
    lose_cache(world)
    world.operator.requests.clear()

    world.reconcile()

    writes = [request for request in world.operator.requests if request.startswith("PATCH")]
    claim = next(index for index, request in enumerate(writes) if "persistentvolumeclaims/demo-cache" in request)
    service = next(index for index, request in enumerate(writes) if "services/demo-nfs" in request)
    assert service < claim


def test_a_cache_is_not_made_anew_while_its_services_cannot_be_closed(world: World) -> None:
    run(world)
    lose_cache(world)
    world.operator.refused["services/demo-nfs"] = ServerError(500, "InternalError", "no")

    world.reconcile()
    assert not world.exists(PERSISTENT_VOLUME_CLAIM, "demo-cache")

    world.operator.refused.clear()
    world.reconcile()
    assert world.exists(PERSISTENT_VOLUME_CLAIM, "demo-cache")


@pytest.mark.parametrize("seen", [False, True], ids=["still cached", "seen to be gone"])
def test_a_cache_that_is_lost_in_the_middle_of_a_pass_is_made_anew_as_lost(world: World, seen: bool) -> None:
    run(world)
    world.stop_server()
    world.set_pod(ready=False)

    def lose() -> None:
        world.delete(PERSISTENT_VOLUME_CLAIM, "demo-cache")
        if seen:
            world.sync()

    world.operator.exchange.meanwhile["services/demo-nfs"] = lose
    world.change_spec(adapters={"nfs": {"port": 3049}}, cache={"storage": {"size": "20Gi"}})
    result = world.reconcile()
    assert not world.operator.exchange.meanwhile
    assert not world.exists(PERSISTENT_VOLUME_CLAIM, "demo-cache")
    assert result == RequeueAfter(1.0)

    world.settle()

    assert world.status["cacheLost"] is True
    assert names.CLOSED_LABEL in selector(world, "demo-nfs")


def test_a_cache_that_only_lost_its_labels_is_not_lost(world: World) -> None:
    run(world)
    patch = {"metadata": {"labels": {names.MANAGED_BY_LABEL: None}}}
    world.change(PERSISTENT_VOLUME_CLAIM, "demo-cache", patch)

    world.settle()

    assert world.status["cacheLost"] is False
    assert names.CLOSED_LABEL not in selector(world, "demo-nfs")


def test_a_dittofs_that_takes_over_kept_metadata_without_the_cache_has_lost_it(world: World) -> None:
    run(world)
    world.stop_server()
    world.delete(DITTOFS, "demo")
    world.settle()
    for resource in set(CHILDREN) - {SECRET, PERSISTENT_VOLUME_CLAIM}:
        for child in world.client.list(resource, namespace=NAMESPACE).items:
            world.delete(resource, child["metadata"]["name"])
    world.delete(PERSISTENT_VOLUME_CLAIM, "demo-cache")
    world.create_dittofs(payload=payload())

    world.reconcile()

    assert world.status["cacheLost"] is True


@pytest.mark.parametrize(("shares", "told"), [(1, False), (2, True)])
def test_more_cache_than_its_volume_holds_is_told(world: World, shares: int, told: bool) -> None:
    run(world)
    for number in range(shares):
        declare(world, f"s{number}")

    world.reconcile()

    assert (world.condition("Degraded")[1] == "CacheOvercommitted") is told
    if told:
        world.change_spec(cache={"size": "4Gi"})
        world.reconcile()
        assert "CacheOvercommitted" not in str(world.status["conditions"])


def test_a_share_with_a_cache_size_of_its_own_counts_with_that(world: World) -> None:
    run(world)
    declare(world, "small", cache={"localSize": "1Gi"})
    declare(world, "usual")
    world.reconcile()
    assert "CacheOvercommitted" not in str(world.status["conditions"])

    declare(world, "large", cache={"localSize": "8Gi"})
    world.reconcile()
    assert world.condition("Degraded")[1] == "CacheOvercommitted"


def test_files_that_fill_half_of_their_cache_are_told_before_any_of_them_goes(world: World) -> None:
    """Tried with v0.29.0: a full cache refuses writes; what was dropped from it read as zeros after a restart."""
    run(world, cache={"size": "4Gi"})
    declare(world, "usual")
    declare(world, "large", cache={"localSize": "8Gi"})
    for name in ("usual", "large"):
        filled = {"path": f"/{name}", "usedBytes": 3 * 1024**3}
        world.change(DITTOFS_SHARE, name, {"status": filled}, subresource="status")

    world.reconcile()

    assert world.condition("Degraded") == ("True", "CacheTooSmall")
    assert "the files of /usual take more than 50% of their cache" in world.message("Degraded")
    world.change_spec(cache={"size": "7Gi", "storage": {"size": "20Gi"}})
    world.reconcile()
    assert "CacheTooSmall" not in str(world.status["conditions"])


def declare(world: World, name: str, **spec: Any) -> None:
    metadata = {"name": name, "namespace": NAMESPACE}
    world.create(DITTOFS_SHARE, {"metadata": metadata, "spec": {"instanceRef": {"name": "demo"}, **spec}})


# --- others in the bucket


def other(world: World, name: str, **s3: Any) -> None:
    metadata = {"name": name, "namespace": NAMESPACE}
    world.create(DITTOFS, {"metadata": metadata, "spec": {"payload": payload(**s3)}})


@pytest.mark.parametrize(
    ("ours", "theirs", "shared"),
    [
        ({}, {}, False),
        ({}, {"prefix": "storage/demo"}, True),
        ({}, {"prefix": "storage"}, True),
        ({}, {"prefix": "storage/demo/below/"}, True),
        ({}, {"prefix": "storage/demo-2"}, False),
        ({"prefix": "a"}, {"prefix": "a/"}, True),
        ({"prefix": "a"}, {"prefix": "a", "bucket": "another"}, False),
        ({"prefix": "a"}, {"prefix": "a", "endpoint": "http://127.0.0.1:2"}, False),
        ({"prefix": "a"}, {"prefix": "a", "endpoint": "http://127.0.0.1:1/"}, True),
    ],
)
def test_another_dittofs_with_the_same_objects_is_told(
    world: World, ours: dict[str, Any], theirs: dict[str, Any], shared: bool
) -> None:
    """Each deletes the objects that it does not know."""
    run(world, payload=payload(**ours))
    other(world, "second", **theirs)

    world.reconcile()

    assert (world.condition("Degraded") == ("True", "BucketShared")) is shared
    if shared:
        assert "storage/second" in world.message("Degraded")
        world.delete(DITTOFS, "second")
        world.reconcile()
        assert world.condition("Degraded")[0] == "False"


def test_an_instance_that_comes_or_goes_brings_the_others_of_its_bucket_a_pass(world: World) -> None:
    run(world)
    other(world, "second")
    world.sync()
    store = world.stores[DITTOFS]
    mapper = instances_of_same_bucket(store)
    second = store.get(ObjectKey(NAMESPACE, "second"))
    assert second is not None

    assert list(mapper(Added(second))) == [DEMO]
    assert list(mapper(Deleted(second))) == [DEMO]
    assert list(mapper(Updated(second, second))) == []


def test_the_shares_file_tells_where_the_objects_of_each_share_are(world: World) -> None:
    run(world)
    declare(world, "export")

    world.reconcile()

    shares = yaml.safe_load(world.get(CONFIG_MAP, "demo-dittofs-config")["data"]["shares.yaml"])["shares"]
    assert shares[0]["stores"] == {
        "metadata": "op-export",
        "local": "op-cache",
        "remote": "op-export",
        "objects": "s3://files/storage/demo/export/",
        "metadataPath": "/data/metadata/export",
    }
