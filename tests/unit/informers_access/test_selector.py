"""Which selectors can be read, and that one which can't fails where it is written down."""

from __future__ import annotations

import pytest

from hack.localcluster.apiserver import label_selector as of_the_server
from hack.localcluster.apiserver.status import StatusError
from informers.listwatch import Scope
from informers.resource import Resource
from informers.selector import check_field_selector, check_label_selector

PODS = Resource("", "v1", "pods", "Pod")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)

READABLE = [
    "",
    "app",
    "!app",
    "! app",
    "app=demo",
    "app==demo",
    "app != demo",
    "app=",
    "app.kubernetes.io/name=demo,tier in (a, b),x notin (),!old",
    "a in (,b)",
    "example.com/a_b.c",
    "9=9",
]
UNREADABLE = [
    ",",
    "a,",
    "a=b=c",
    "=b",
    "a=b c",
    "a in b",
    "a in (b",
    "a inn (b)",
    "-a",
    "a-",
    "a=-b",
    "Example.com/a",
    "/a",
    "a//b",
    "a=" + "b" * 64,
    "x" * 254 + "/a",
    "a!b",
    "a in (b) c",
]


@pytest.mark.parametrize("selector", [*READABLE, *UNREADABLE])
def test_a_label_selector_is_read_as_the_api_server_reads_it(selector: str) -> None:
    def served() -> bool:
        try:
            of_the_server.parse(selector)
        except StatusError:
            return False
        return True

    def taken() -> bool:
        try:
            check_label_selector(selector)
        except ValueError:
            return False
        return True

    assert taken() is (selector in READABLE)
    # Lengths the local API server leaves unchecked.
    assert len(selector) > 60 or served() is taken()


@pytest.mark.parametrize(
    "selector",
    ["", "metadata.name=a", "a==b,c!=d", "spec.nodeName=", r"a=b\,c\=d\\", "metadata.name=a,", r"a=b\\,c=d"],
)
def test_field_selectors_that_can_be_read(selector: str) -> None:
    check_field_selector(selector)


@pytest.mark.parametrize("selector", ["a", "=b", "a=b,c", "a=b=c", r"a=b\x", "a b=c", r"a=b\,c=d"])
def test_field_selectors_that_cannot_be_read(selector: str) -> None:
    with pytest.raises(ValueError, match=r"it must be like metadata\.name=demo"):
        check_field_selector(selector)


def test_what_cannot_work_fails_when_a_scope_is_made_and_says_what_to_write() -> None:
    with pytest.raises(ValueError, match=r"label selector 'app in x': 'app in x' can't be read; it must be like"):
        Scope(PODS, label_selector="app in x")
    with pytest.raises(ValueError, match="field selector 'name': 'name' can't be read"):
        Scope(PODS, field_selector="name")
    with pytest.raises(ValueError, match="nodes have no namespace"):
        Scope(NODES, ("default",))
    with pytest.raises(ValueError, match="'Not_A_Name' is no name of a namespace"):
        Scope(PODS, ("Not_A_Name",))
