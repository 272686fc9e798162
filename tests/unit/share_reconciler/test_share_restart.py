"""What a running server has in force of what it takes up only at its start, by what it tells and what is remembered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconcilers.server.rows import HealthReport, Share
from reconcilers.share.restart import InForce, in_force, nfs_values, pending, restart_required, row_values

START, LATER = "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z"
BEFORE, AFTER = "2030-01-01T09:59:59.999999999Z", "2030-01-01T10:00:01.000000000Z"
#: The server tells its start in whole seconds.
UNCLEAR = "2030-01-01T10:00:00.999999999Z"
AFTER_LATER = "2030-01-01T12:00:05Z"
ENCRYPTED = {"smb.encryptData": "true"}
KERBEROS = {"nfs.requireKerberos": "true"}

OLD = Share(
    id="1",
    name="/x",
    enabled=True,
    read_only=False,
    default_permission="none",
    quota="",
    metadata_store_id="m",
    local_block_store_id="l",
    health=HealthReport("healthy"),
    created_at="2029-12-31T00:00:00.5Z",
    updated_at=BEFORE,
)
MADE_IN_THIS_RUN = replace(OLD, created_at=AFTER, updated_at=AFTER)


def found(
    memory: InForce | None = None,
    row: Share = OLD,
    *,
    start: str = START,
    row_found: Mapping[str, str] | None = None,
    nfs_found: Mapping[str, str] | None = None,
    in_sync: bool = True,
) -> InForce:
    return in_force(
        memory,
        started_at=start,
        row=row,
        row_found=row_found or {},
        nfs_found=nfs_found or {},
        in_sync=in_sync,
    )


def test_what_the_same_run_of_the_server_had_in_force_stays_so_whatever_the_rows_say() -> None:
    memory = InForce(START, ENCRYPTED)

    assert found(memory, row_found={}, nfs_found=KERBEROS) is memory


def test_a_start_takes_up_what_the_rows_said() -> None:
    assert found(InForce(START), start=LATER, row_found=ENCRYPTED, nfs_found=KERBEROS) == InForce(
        LATER, {**ENCRYPTED, **KERBEROS}
    )


@pytest.mark.parametrize(
    ("memory", "in_sync", "known"),
    [
        pytest.param(InForce(START, ENCRYPTED), True, True, id="it has what was left there"),
        pytest.param(InForce(START), True, False, id="it has something else: from before the start, or after it"),
        pytest.param(InForce(START, ENCRYPTED), False, False, id="nobody looked whether it had that all the time"),
        pytest.param(InForce(START, ENCRYPTED, known=False), True, False, id="what was left there was not known"),
    ],
)
def test_of_a_row_that_others_changed_after_a_start_only_what_was_left_there_is_known_to_be_in_force(
    memory: InForce, in_sync: bool, known: bool
) -> None:
    row = replace(OLD, updated_at=AFTER_LATER)

    now = found(memory, row, start=LATER, row_found=ENCRYPTED, nfs_found=KERBEROS, in_sync=in_sync)

    assert now == InForce(LATER, {**ENCRYPTED, **KERBEROS}, known=known)


def test_a_share_that_was_made_since_a_start_and_never_changed_has_its_row_in_force_whatever_was_noted() -> None:
    row = replace(OLD, created_at=AFTER_LATER, updated_at=AFTER_LATER)

    now = found(InForce(START), row, start=LATER, row_found=ENCRYPTED, nfs_found=KERBEROS, in_sync=False)

    assert now == InForce(LATER, ENCRYPTED)


def test_what_was_changed_in_the_second_of_a_start_was_changed_before_it() -> None:
    """A server that is started again at once must not keep telling of a start that is to come."""
    row = replace(OLD, updated_at="2030-01-01T12:00:00.2Z")

    assert found(InForce(START), row, start=LATER, row_found=ENCRYPTED) == InForce(LATER, ENCRYPTED)


@pytest.mark.parametrize(
    ("row", "nfs", "known"),
    [
        pytest.param(OLD, {}, True, id="not changed since the start"),
        pytest.param(replace(OLD, updated_at=AFTER), {}, False, id="changed since the start"),
        pytest.param(OLD, KERBEROS, False, id="NFS options bear no time"),
        pytest.param(MADE_IN_THIS_RUN, {}, True, id="made in this run, never changed"),
        pytest.param(replace(MADE_IN_THIS_RUN, updated_at=LATER), {}, False, id="made in this run, and changed"),
        pytest.param(replace(OLD, updated_at=UNCLEAR), {}, False, id="changed in the second of the start"),
        pytest.param(replace(OLD, created_at=UNCLEAR, updated_at=UNCLEAR), {}, True, id="made in that second"),
        pytest.param(
            replace(OLD, created_at=UNCLEAR, updated_at=UNCLEAR),
            KERBEROS,
            False,
            id="made in that second, with NFS options from before the start or after it",
        ),
    ],
)
def test_of_a_share_that_was_met_for_the_first_time_the_times_of_its_row_say_what_is_known(
    row: Share, nfs: Mapping[str, str], known: bool
) -> None:
    assert found(None, row, row_found=ENCRYPTED, nfs_found=nfs).known is known


def test_the_server_makes_every_share_with_its_nfs_options_by_default() -> None:
    now = found(None, MADE_IN_THIS_RUN, row_found=ENCRYPTED, nfs_found=KERBEROS)

    assert now == InForce(START, ENCRYPTED)
    assert pending(now, {**ENCRYPTED, **KERBEROS}) == ("nfs.requireKerberos",)


def test_what_differs_from_what_is_in_force_waits_and_what_was_changed_back_does_not() -> None:
    now = InForce(START, ENCRYPTED)

    assert pending(now, {}) == ("smb.encryptData",)
    assert pending(now, {"cache.localSize": "1.00GiB", **KERBEROS}) == (
        "cache.localSize",
        "nfs.requireKerberos",
        "smb.encryptData",
    )
    assert pending(now, {"cache.localSize": "1.00GiB", **ENCRYPTED}, ignored=("cache.localSize",)) == ()
    assert pending(now, ENCRYPTED) == ()


@pytest.mark.parametrize(
    ("known", "fields", "told", "words"),
    [
        (True, (), ("False", "InForce"), "all values"),
        (
            True,
            ("smb.encryptData",),
            ("True", "WaitsForStart"),
            'smb.encryptData only when it starts: delete the pod "d-0"',
        ),
        (False, (), ("Unknown", "NotKnown"), "nobody can tell"),
        (False, ("smb.encryptData",), ("Unknown", "NotKnown"), 'delete the pod "d-0"'),
    ],
)
def test_the_condition_says_what_to_do(known: bool, fields: tuple[str, ...], told: tuple[str, str], words: str) -> None:
    condition = restart_required(InForce(START, known=known), fields, instance="d")

    assert (condition.type, condition.status, condition.reason) == ("RestartRequired", *told)
    assert words in condition.message


def test_only_what_waits_for_a_start_and_is_not_by_default_counts() -> None:
    row: dict[str, Any] = {
        "encrypt_data": True,
        "streams_disabled": False,
        "retention_policy": "pin",
        "read_buffer_size": "64.00MiB",
        "blocked_operations": frozenset({"READ"}),
    }
    nfs = {"squash": "none", "allow_auth_sys": False, "min_kerberos_level": "krb5", "disable_readdirplus": True}

    assert row_values(row) == {"smb.encryptData": "true", "cache.readBuffer": "64.00MiB"}
    assert nfs_values(nfs) == {"nfs.allowAuthSys": "false", "nfs.disableReaddirplus": "true"}
