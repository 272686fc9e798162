"""A share whose contents are in a bucket: its remote store, whose keys nobody else sees, and what is in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from informers.result import Backoff
from informers.view import thaw
from reconcilers.remote_store import FINGERPRINT
from reconcilers.server.errors import ServerRefused
from tests.support.share_world import ShareWorld

SECRET_KEY = "s3cr3t-that-nobody-may-see"
IDENTIFIER = "AKIDENTIFIER"
KEYS = {"access-key-id": IDENTIFIER, "secret-access-key": SECRET_KEY}
S3 = {
    "bucket": "files",
    "endpoint": "http://127.0.0.1:1",
    "allowPrivateEndpoint": True,
    "credentialsSecretRef": {"name": "keys"},
}


def in_bucket(world: ShareWorld, *, status: dict[str, Any] | None = None, **s3: Any) -> None:
    world.objects.secrets["keys"] = dict(KEYS)
    world.put_instance(spec={"payload": {"type": "s3", "s3": {**S3, **s3}}}, **(status or {}))


def everything_told(world: ShareWorld) -> str:
    shares = [thaw(share) for share in world.objects.shares.list()]
    return json.dumps(shares) + str(world.recorder.events)


def test_a_share_gets_a_remote_store_with_a_prefix_of_its_own(world: ShareWorld) -> None:
    in_bucket(world)
    key = world.put_share(path="/a/b", defaultPermission="read-write")

    world.settle(key)

    assert world.condition(key, "Ready") == ("True", "Serving")
    stores = {"metadata": "op-a%2Fb", "local": "op-cache", "remote": "op-a%2Fb"}
    assert world.status(key)["stores"] == stores
    row, local = world.hand.remote_store("op-a%2Fb"), world.hand.local_store("op-cache")
    assert row is not None
    assert local is not None
    assert dict(local.config) == {"path": "/data/cache"}
    shown = {name: value for name, value in row.config.items() if name != FINGERPRINT}
    assert shown == {
        "bucket": "files",
        "endpoint": "http://127.0.0.1:1",
        "region": "us-east-1",
        "prefix": "default/demo/a%2Fb/",
        "allow_private_endpoint": True,
        "access_key_id": IDENTIFIER,
        "secret_access_key": "********",
    }
    share = world.hand.share("/a/b")
    assert share is not None
    assert share.remote_block_store_id == row.id


def test_the_keys_are_told_to_the_server_alone(world: ShareWorld) -> None:
    in_bucket(world)
    key = world.put_share()

    world.settle(key)

    sent = [json.loads(call.body["config"]) for call in world.calls if call.path.endswith("/remote") and call.body]
    assert [config["secret_access_key"] for config in sent] == [SECRET_KEY]
    assert SECRET_KEY not in everything_told(world)
    assert IDENTIFIER not in everything_told(world)


def test_a_prefix_and_settings_that_are_specified_are_the_stores(world: ShareWorld) -> None:
    in_bucket(world, prefix="own/place/", region="eu-west-1", forcePathStyle=False)
    world.settle(world.put_share())

    row = world.hand.remote_store("op-export")

    assert row is not None
    found = {name: row.config[name] for name in ("prefix", "region", "force_path_style")}
    assert found == {"prefix": "own/place/export/", "region": "eu-west-1", "force_path_style": False}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (None, 'Secret "keys" does not exist: create it'),
        ({"access-key-id": "a"}, 'Secret "keys" has no key "secret-access-key"'),
        ({**KEYS, "secret-access-key": ""}, 'Secret "keys" is empty under "access-key-id" or "secret-access-key"'),
    ],
)
def test_keys_that_are_missing_are_asked_for_and_the_share_comes_with_them(
    world: ShareWorld, values: dict[str, str] | None, words: str
) -> None:
    in_bucket(world)
    world.objects.secrets.clear()
    if values is not None:
        world.objects.secrets["keys"] = values
    key = world.put_share()

    result = world.settle(key)

    assert isinstance(result, Backoff)
    assert world.condition(key, "Synced") == ("False", "BucketKeysMissing")
    assert words in str(world.status(key)["conditions"])
    world.objects.secrets["keys"] = dict(KEYS)
    world.settle(key)
    assert world.condition(key, "Ready") == ("True", "Serving")


def test_an_endpoint_inside_the_cluster_is_refused_with_the_field_that_admits_it(world: ShareWorld) -> None:
    in_bucket(world, allowPrivateEndpoint=False)
    key = world.put_share()

    world.settle(key)

    assert world.condition(key, "Synced") == ("False", "Refused")
    told = str(world.status(key)["conditions"])
    assert "set spec.payload.s3.allowPrivateEndpoint of the DittoFS to true" in told
    in_bucket(world)
    world.settle(key)
    assert world.condition(key, "Ready") == ("True", "Serving")


def test_a_remote_store_that_is_left_gets_the_keys_in_force_and_keeps_what_is_set_in_it(world: ShareWorld) -> None:
    in_bucket(world)
    config = {"bucket": "files", "endpoint": "http://127.0.0.1:1", "prefix": "default/demo/export/"}
    keys = {"access_key_id": "old", "secret_access_key": "old", "allow_private_endpoint": True}
    world.hand.create_remote_store("op-export", store_type="s3", config={**config, **keys})

    world.settle(world.put_share())

    row = world.hand.remote_store("op-export")
    assert row is not None
    assert row.config["access_key_id"] == IDENTIFIER


def test_a_remote_store_at_another_place_is_not_used(world: ShareWorld) -> None:
    in_bucket(world)
    config = {"bucket": "files", "endpoint": "http://127.0.0.1:1", "prefix": "somebody/else/"}
    keys = {"access_key_id": "old", "secret_access_key": "old", "allow_private_endpoint": True}
    world.hand.create_remote_store("op-export", store_type="s3", config={**config, **keys})
    key = world.put_share()

    world.settle(key)

    assert world.condition(key, "Synced") == ("False", "StoreConflict")
    assert "differs in prefix" in str(world.status(key)["conditions"])
    assert world.hand.share("/export") is None


def test_a_share_whose_cache_was_lost_is_disabled_until_it_is_there_again(world: ShareWorld) -> None:
    """The server reads what it has no cache of as zeros, without an error."""
    in_bucket(world)
    key = world.put_share()
    world.settle(key)

    in_bucket(world, status={"cacheLost": True})
    world.settle(key)

    share = world.hand.share("/export")
    assert share is not None
    assert not share.enabled
    assert world.status(key)["phase"] == "Degraded"
    assert world.condition(key, "Ready") == ("False", "CacheLost")

    in_bucket(world)
    world.settle(key)
    share = world.hand.share("/export")
    assert share is not None
    assert share.enabled
    assert world.condition(key, "Ready") == ("True", "Serving")


def test_what_a_server_repeats_of_the_keys_is_left_out_of_its_refusal(world: ShareWorld) -> None:
    config = {"bucket": "files", "access_key_id": IDENTIFIER, "secret_access_key": SECRET_KEY}
    endpoint = f"http://{SECRET_KEY}.invalid"

    with pytest.raises(ServerRefused) as refusal:
        world.hand.create_remote_store("r", store_type="s3", config={**config, "endpoint": endpoint})

    assert "resolve host" in str(refusal.value)
    assert SECRET_KEY not in str(refusal.value)
