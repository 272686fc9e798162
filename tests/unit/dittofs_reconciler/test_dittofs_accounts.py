"""Users and groups: made, kept, given the password that their Secret holds; nobody else's are touched."""

from __future__ import annotations

from typing import Any

from reconcilers.api.resources import SECRET
from reconcilers.server.account_calls import AccountCalls
from tests.support.dittofs_world import World

STAFF = {"name": "staff", "gid": 3000}
PASSWORD = "alice's own"


def alice(**fields: Any) -> dict[str, Any]:
    reference = {"name": "alice", "key": "password"}
    return {"name": "alice", "uid": 1001, "gid": 3000, "groups": ["staff"], "passwordSecretRef": reference, **fields}


def declared(world: World) -> None:
    world.create_secret("alice", password=PASSWORD)
    world.run(groups=[STAFF], users=[alice()])


def rows(world: World) -> dict[str, Any]:
    return {row.name: row for row in world.session().users()}


def calls(world: World) -> AccountCalls:
    return world.session()


def test_a_declared_user_can_log_in_and_is_in_the_declared_group(world: World) -> None:
    declared(world)

    row = rows(world)["alice"]
    assert (row.uid, row.gid, row.groups, row.enabled, row.role) == (1001, 3000, {"staff"}, True, "user")
    assert calls(world).has_password("alice", PASSWORD)
    assert world.condition("Degraded")[0] == "False"


def test_a_changed_password_is_taken_up_and_nothing_else_is_sent(world: World) -> None:
    declared(world)
    world.change_secret("alice", password="another one")

    world.reconcile()

    assert calls(world).has_password("alice", "another one")
    assert world.recorder.note("ServerConfigured") == "set on the server: password of user alice"


def test_what_somebody_changed_on_the_server_comes_back_within_the_interval(world: World) -> None:
    declared(world)
    calls(world).update_user("alice", fields={"uid": 7, "groups": [], "enabled": False})
    calls(world).update_group("staff", gid=4000)

    world.reconcile()
    assert rows(world)["alice"].uid == 7

    world.clock.advance(301)
    world.reconcile()

    row = rows(world)["alice"]
    assert (row.uid, row.groups, row.enabled) == (1001, {"staff"}, True)
    assert {group.name: group.gid for group in calls(world).groups()}["staff"] == 3000


def test_a_user_that_is_declared_disabled_can_not_log_in(world: World) -> None:
    world.create_secret("alice", password=PASSWORD)
    world.run(groups=[STAFF], users=[alice(enabled=False)])

    assert rows(world)["alice"].enabled is False


def test_accounts_that_nobody_declared_are_left_alone(world: World) -> None:
    declared(world)
    calls(world).create_user("bob", password="bob's own", fields={"uid": 1002})
    world.change_spec(users=[])
    world.clock.advance(301)

    world.reconcile()

    assert rows(world).keys() == {"admin", "alice", "bob"}


def test_what_the_server_can_t_have_is_told_and_the_rest_is_done(world: World) -> None:
    world.create_secret("alice", password=PASSWORD)
    world.create_secret("short", password="short")
    world.run(
        groups=[STAFF],
        users=[
            alice(),
            alice(name="bob", uid=1002, groups=["nobody-declared-it"]),
            alice(name="carol", uid=1003, passwordSecretRef={"name": "short", "key": "password"}),
            alice(name="dave", uid=1004, passwordSecretRef={"name": "absent", "key": "password"}),
        ],
    )

    assert rows(world).keys() == {"admin", "alice"}
    assert world.condition("Degraded") == ("True", "AccountsNotApplied")
    message = world.message("Degraded")
    assert "user bob: the server answered 400" in message
    assert 'user carol: Secret "short" has 5 bytes' in message
    assert 'user dave: Secret "absent" does not exist' in message
    assert PASSWORD not in str(world.status)


def test_an_administrator_of_the_name_is_not_made_a_user(world: World) -> None:
    world.create_secret("alice", password=PASSWORD)
    world.run()
    calls(world).create_user("alice", password="somebody else", fields={"role": "operator", "uid": 5})
    world.change_spec(users=[alice(groups=[])])

    world.reconcile()

    assert rows(world)["alice"].role == "operator"
    assert "has the role operator" in world.message("Degraded")


def test_a_steady_server_is_asked_about_accounts_once_in_the_interval(world: World) -> None:
    declared(world)
    asked = world.count_calls()

    for _ in range(5):
        world.reconcile()
    assert not [call for call in asked if "users" in call or "groups" in call or "login" in call]

    world.clock.advance(301)
    world.reconcile()
    assert sorted(call for call in asked if "users" in call or "groups" in call) == [
        "GET /api/v1/groups",
        "GET /api/v1/users",
    ]


def test_a_deleted_password_secret_leaves_the_user_as_it_is(world: World) -> None:
    declared(world)
    world.delete(SECRET, "alice")

    world.reconcile()

    assert calls(world).has_password("alice", PASSWORD)
    assert "user alice" in world.message("Degraded")
