"""The Jobs of the operator's image, byte for byte: what they may do and touch is decided here.

`DITTOFS_WRITE_GOLDEN=1` writes the files anew; the difference is then for a person to judge.
"""

from __future__ import annotations

import os
from pathlib import Path

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from informers.resource import Manifest
from reconcilers.api.pod import ContainerSecurityContext, Pod, PodSecurityContext
from reconcilers.api.share import DittoFSShare
from reconcilers.builders.job import (
    MAX_NAME,
    RESULT_FILE,
    Claim,
    Files,
    JobOptions,
    Scratch,
    job,
    job_account,
    job_name,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "jobs"

OWNER = DittoFSShare.from_view(
    {
        "apiVersion": "dittofs.dittofs.io/v1alpha1",
        "kind": "DittoFSShare",
        "metadata": {"name": "export", "namespace": "storage", "uid": "11111111-2222-3333-4444-555555555555"},
        "spec": {"instanceRef": {"name": "demo"}},
    }
)

CASES = {
    "least": JobOptions(
        suffix="do", image="dittofs-operator:1.2.3", arguments=("version",), instance="demo", deadline_s=60
    ),
    "everything": JobOptions(
        suffix="bk",
        image="registry.example/dittofs-operator@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        arguments=("backup", "--archive=nightly", f"--result={RESULT_FILE}"),
        instance="demo",
        deadline_s=7200,
        retries=0,
        pull_secrets=("pull",),
        pod=Pod(
            security_context=PodSecurityContext(run_as_user=1000, fs_group=2000),
            container_security_context=ContainerSecurityContext(run_as_group=1000),
        ),
        resources={"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
        node_selector={"disk": "ssd"},
        tolerations=({"key": "storage", "operator": "Exists"},),
        claims=(
            Claim(name="demo-metadata", path="/data/metadata", read_only=True),
            Claim(name="archives", path="/archives"),
        ),
        secrets=(
            Files(name="s3-keys", path="/run/keys", items={"id": "access-key-id", "secret": "secret-access-key"}),
            Files(name="key", path="/run/key"),
        ),
        config_maps=(Files(name="s3-ca", path="/run/ca", items={"ca.crt": "ca.crt"}),),
        scratch=(Scratch(path="/scratch", size_limit="2Gi"), Scratch(path="/more")),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_jobs_are_as_recorded(case: str) -> None:
    assert_golden(f"{case}.yaml", job(OWNER, CASES[case]))


def test_the_account_of_jobs_is_as_recorded() -> None:
    assert_golden("account.yaml", job_account("storage"))


def test_no_golden_file_of_a_job_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{case}.yaml" for case in (*CASES, "account")}


@pytest.mark.parametrize("case", CASES)
def test_every_job_is_one_that_kubernetes_knows(case: str) -> None:
    kubernetes_validate.validate(job(OWNER, CASES[case]), kubernetes_validate.latest_version(), strict=True)


def test_a_job_is_named_after_what_it_works_for_as_far_as_a_label_takes_it() -> None:
    assert job_name("export", "bk") == "export-bk"
    assert job_name("n" * 60, "bk") == f"{'n' * 60}-bk"
    long, other = "n" * 61, "n" * 60 + "m"
    assert len(job_name(long, "bk")) == MAX_NAME
    assert job_name(long, "bk") != job_name(other, "bk")
    assert job_name(long, "bk").endswith("-bk")


def assert_golden(name: str, manifest: Manifest) -> None:
    text = yaml.safe_dump(manifest, sort_keys=False, width=120)
    path = GOLDEN / name
    if os.environ.get("DITTOFS_WRITE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
