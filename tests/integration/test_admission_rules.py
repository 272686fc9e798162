"""Every rule of the definitions on a real API server, both ways; what is taken is rehearsed only."""

from __future__ import annotations

import itertools
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from informers import configuration
from informers.client import Client
from informers.errors import Conflict, Invalid
from informers.resource import Manifest
from reconcilers.api.backup import DittoFSBackup
from reconcilers.api.common import CustomResource
from reconcilers.api.dittofs import DittoFS
from reconcilers.api.share import DittoFSShare
from tests.support import admission_cases as cases
from tests.support.acceptance import USER, World, world_of_its_own
from tests.support.admission_cases import Spec
from tests.support.crd_admission import admit, manifest
from tests.support.place import Place

pytestmark = [
    pytest.mark.integration,
    pytest.mark.places("controlplane", "existing", reason="unit tests hold the local API server to the same cases"),
]

_numbers = itertools.count()


@dataclass(frozen=True)
class Rehearsal:
    """What the API server would do with a write."""

    world: World
    client: Client

    def make(self, kind: type[CustomResource], spec: Spec, *, name: str = "demo") -> Manifest:
        """A new object, as it would be stored."""
        return self.client.create(kind.resource, self._manifest(kind, spec, name), field_manager=USER)

    def change(self, kind: type[CustomResource], before: Spec, after: Spec) -> None:
        """An object that is really there gets another specification; operators leave both alone."""
        resource, name = kind.resource, f"case-{next(_numbers)}"
        self.world.create(resource, name, spec={"suspend": True, **before})
        changed = self._manifest(kind, {"suspend": True, **after}, name)
        try:
            for _ in range(5):  # an operator may report meanwhile that it leaves the object alone
                stored = self.world.get(resource, name)
                changed["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"]
                with suppress(Conflict):
                    self.client.replace(resource, changed)
                    return
            raise AssertionError(f"somebody writes {name} all the time")
        finally:
            self.world.delete(resource, name)

    def _manifest(self, kind: type[CustomResource], spec: Spec, name: str) -> Manifest:
        made = manifest(kind, spec, name=name)
        made["metadata"]["namespace"] = self.world.namespace
        return made


@pytest.fixture(scope="module")
def rehearsal(cluster: Place, client: Client) -> Iterator[Rehearsal]:
    loaded = configuration.load(str(cluster.kubeconfig)).configuration
    with (
        world_of_its_own(client) as world,
        closing(Client(loaded, user_agent=USER, dry_run=True)) as rehearsing,
    ):
        yield Rehearsal(world, rehearsing)


@pytest.mark.parametrize("spec", cases.GOOD, ids=str)
def test_a_good_dittofs_is_completed_as_the_unit_tests_say(rehearsal: Rehearsal, spec: Spec) -> None:
    assert rehearsal.make(DittoFS, spec)["spec"] == admit(DittoFS, manifest(DittoFS, spec))["spec"]


@pytest.mark.parametrize(("spec", "message"), cases.BAD, ids=str)
def test_a_bad_dittofs_is_refused_in_the_same_words(rehearsal: Rehearsal, spec: Spec, message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.make(DittoFS, spec)

    assert message in refusal.value.message


@pytest.mark.parametrize(("before", "after"), cases.CHANGES, ids=str)
def test_a_change_that_can_be_made_is_let_through(rehearsal: Rehearsal, before: Spec, after: Spec) -> None:
    rehearsal.change(DittoFS, before, after)


@pytest.mark.parametrize(("before", "after", "message"), cases.FIXED, ids=str)
def test_what_is_fixed_is_refused_in_the_same_words(
    rehearsal: Rehearsal, before: Spec, after: Spec, message: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.change(DittoFS, before, after)

    assert message in refusal.value.message


@pytest.mark.parametrize("name", cases.GOOD_NAMES, ids=str)
def test_a_good_name_is_let_through(rehearsal: Rehearsal, name: str) -> None:
    assert rehearsal.make(DittoFS, {}, name=name)["metadata"]["name"] == name


@pytest.mark.parametrize(("name", "message"), cases.BAD_NAMES, ids=str)
def test_a_bad_name_is_refused_in_the_same_words(rehearsal: Rehearsal, name: str, message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.make(DittoFS, {}, name=name)

    assert message in refusal.value.message


@pytest.mark.parametrize("extra", cases.GOOD_SHARES, ids=str)
def test_a_good_share_is_completed_as_the_unit_tests_say(rehearsal: Rehearsal, extra: Spec) -> None:
    spec = cases.SHARE | extra

    assert rehearsal.make(DittoFSShare, spec)["spec"] == admit(DittoFSShare, manifest(DittoFSShare, spec))["spec"]


@pytest.mark.parametrize(("extra", "message"), cases.BAD_SHARES, ids=str)
def test_a_bad_share_is_refused_in_the_same_words(rehearsal: Rehearsal, extra: Spec, message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.make(DittoFSShare, cases.SHARE | extra)

    assert message in refusal.value.message


@pytest.mark.parametrize(("before", "after", "message"), cases.MOVED_SHARES, ids=str)
def test_a_share_that_moves_is_refused_in_the_same_words(
    rehearsal: Rehearsal, before: Spec, after: Spec, message: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.change(DittoFSShare, cases.SHARE | before, cases.SHARE | after)

    assert message in refusal.value.message


@pytest.mark.parametrize("extra", cases.GOOD_BACKUPS, ids=str)
def test_a_good_backup_is_completed_as_the_unit_tests_say(rehearsal: Rehearsal, extra: Spec) -> None:
    spec = cases.BACKUP | extra

    assert rehearsal.make(DittoFSBackup, spec)["spec"] == admit(DittoFSBackup, manifest(DittoFSBackup, spec))["spec"]


@pytest.mark.parametrize(("extra", "message"), cases.BAD_BACKUPS, ids=lambda case: str(case)[:60])
def test_a_bad_backup_is_refused_in_the_same_words(rehearsal: Rehearsal, extra: Spec, message: str) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.make(DittoFSBackup, cases.BACKUP | extra)

    assert message in refusal.value.message


@pytest.mark.parametrize(("before", "after", "message"), cases.MOVED_BACKUPS, ids=str)
def test_what_is_fixed_of_a_backup_is_refused_in_the_same_words(
    rehearsal: Rehearsal, before: Spec, after: Spec, message: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.change(DittoFSBackup, cases.BACKUP | before, cases.BACKUP | after)

    assert message in refusal.value.message


def test_the_name_of_a_schedule_is_refused_in_the_same_words(rehearsal: Rehearsal) -> None:
    with pytest.raises(Invalid) as refusal:
        rehearsal.make(DittoFSBackup, cases.BACKUP | {"schedule": "@daily"}, name="a" * 37)

    assert cases.SCHEDULE_NAME in refusal.value.message


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("dittofs.spec.volumeRetention", "Retain"),
        ("dittofs.spec.adapters.api.tls", "clientCASecretName"),
        ("dittofsshare.spec.quota.size", "such as 100Gi"),
        ("dittofsbackup.spec.deletionPolicy", "Retain"),
    ],
)
def test_kubectl_explains_a_field(cluster: Place, field: str, text: str) -> None:
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"

    done = subprocess.run(
        [kubectl, f"--kubeconfig={cluster.kubeconfig}", "explain", field],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    description = done.stdout.partition("DESCRIPTION:")[2]
    assert "<empty>" not in description
    assert text in description
