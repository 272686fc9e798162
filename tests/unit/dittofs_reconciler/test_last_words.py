"""What a server that could not open its database makes of the condition DatabaseReady."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconcilers.builders.inputs import PostgresSource
from reconcilers.dittofs.facts import EMBEDDED, DatabaseFacts, PodFacts
from reconcilers.dittofs.last_words import as_the_server_found_it

READY = DatabaseFacts(ready=True, reason="ClusterReady", message="", source=PostgresSource("login", "authority"))
#: The words of dfs v0.29.0 before a real PostgreSQL 15.
BEGIN = (
    "DittoFS - A modular virtual filesystem\n"
    "Error: failed to initialize control plane store: failed to connect to database: failed to connect to "
    "`user=b database=b`: "
)
WORDS = {
    "10.255.0.1:5432 (pg): failed to write startup message: write failed: tls: failed to verify certificate: x509: "
    "certificate signed by unknown authority": "CertificateNotTrusted",
    "10.255.0.1:5432 (pg): failed to write startup message: write failed: tls: failed to verify certificate: x509: "
    "cannot validate certificate for 10.255.0.1 because it doesn't contain any IP SANs": "CertificateInvalid",
    "10.255.0.1:5432 (pg): failed SASL auth: FATAL: password authentication failed for user "
    '"b" (SQLSTATE 28P01)': "LoginRefused",
    '10.255.0.1:5432 (pg): server error: FATAL: no pg_hba.conf entry for host "127.0.0.1", user "b", database "b", no '
    "encryption (SQLSTATE 28000)": "LoginRefused",
    '10.255.0.1:5432 (pg): server error: FATAL: database "nope" does not exist (SQLSTATE 3D000)': "DatabaseNotFound",
    "hostname resolving error: lookup nowhere.default.svc on [::1]:53: read udp: connection refused": "HostNotFound",
    "10.255.0.1:5433 (pg): dial error: dial tcp 10.255.0.1:5433: connect: connection refused": "DatabaseUnreachable",
    "10.255.0.1:5432 (pg): tls error: server refused TLS connection": "TlsRefused",
    "something else": "DatabaseNotOpened",
}


def crashed(words: str) -> PodFacts:
    return PodFacts(name="demo-0", ready=False, deleting=False, revision="", exit_code=1, last_words=words)


@pytest.mark.parametrize(
    ("words", "reason"), WORDS.items(), ids=[f"{n}-{reason}" for n, reason in enumerate(WORDS.values())]
)
def test_the_trouble_is_named_and_where_to_mend_it_but_no_word_of_the_server(words: str, reason: str) -> None:
    told = as_the_server_found_it(READY, crashed(BEGIN + words))

    assert (told.ready, told.reason) == (False, reason)
    assert '"login"' in told.message
    assert '"authority"' in told.message
    assert "10.255" not in told.message
    assert words not in told.message


def test_other_ends_and_a_server_that_serves_again_say_nothing_of_the_database() -> None:
    assert as_the_server_found_it(READY, None) is READY
    assert as_the_server_found_it(READY, crashed("")) is READY
    assert as_the_server_found_it(READY, crashed("Error: failed to bind: timeout")) is READY
    assert as_the_server_found_it(READY, replace(crashed(BEGIN + "timeout"), ready=True)) is READY
    assert as_the_server_found_it(EMBEDDED, crashed(BEGIN + "disk I/O error")) is EMBEDDED


def test_the_words_are_not_in_what_is_logged_of_a_pod() -> None:
    assert "secret" not in repr(crashed("secret"))
