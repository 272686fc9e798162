"""Flags and variables: what they give, and what a wrong one says."""

from __future__ import annotations

import argparse
from typing import Any

import pytest

from dittofs_operator.settings import LogFormat, Settings, SettingsError, add_flags, load


def parse(*arguments: str) -> dict[str, Any]:
    """The flags as the command line gives them."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return vars(parser.parse_args(arguments))


def test_without_flags_the_defaults_hold() -> None:
    assert load(parse()) == Settings()


def test_durations_are_given_with_their_unit() -> None:
    assert load(parse("--poll-interval", "1m30s")).poll_interval == 90


def test_every_setting_has_a_flag_and_a_description() -> None:
    flags = parse()
    assert set(flags) == set(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


def test_a_variable_sets_what_no_flag_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DITTOFS_OPERATOR_LOG_FORMAT", "console")
    assert load(parse()).log_format is LogFormat.CONSOLE


def test_a_flag_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DITTOFS_OPERATOR_SHARE_WORKERS", "9")
    assert load(parse("--share-workers", "2")).share_workers == 2


def test_namespaces_are_a_list_with_commas_and_without_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(parse()).namespaces == ()
    assert load(parse("--namespaces", "a, b,")).namespaces == ("a", "b")
    monkeypatch.setenv("DITTOFS_OPERATOR_NAMESPACES", "c,d")
    assert load(parse()).namespaces == ("c", "d")


def test_a_switch_can_be_turned_off() -> None:
    assert load(parse("--no-leader-elect")).leader_elect is False


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--poll-interval", "30"], "--poll-interval=30"),
        (["--poll-interval", "0s"], "--poll-interval=0s"),
        (["--share-workers", "many"], "--share-workers=many"),
        (["--share-workers", "0"], "--share-workers=0"),
        (["--log-level", "loud"], "--log-level=loud"),
        (["--namespaces", "a,B"], "--namespaces=a,B: 'B' is no name of a namespace"),
        (["--namespaces", "a,a"], "--namespaces=a,a: namespace a is named twice"),
        (["--lease-duration", "5s"], "lease duration 5 s must exceed renew deadline"),
    ],
)
def test_a_wrong_value_is_refused_in_one_line_that_names_it(arguments: list[str], told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(parse(*arguments))
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)


def test_a_wrong_variable_is_named_as_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DITTOFS_OPERATOR_POLL_INTERVAL", "soon")
    with pytest.raises(SettingsError, match=r"^DITTOFS_OPERATOR_POLL_INTERVAL=soon: "):
        load(parse())
