"""What a server that ended said of its database. Pure.

Its words themselves are told to nobody: what a program says of its settings may hold a secret.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconcilers.dittofs.facts import DatabaseFacts, PodFacts

#: Begins what the server says when it can't open its control plane.
_DATABASE = "failed to initialize control plane store"


@dataclass(frozen=True, slots=True)
class _Trouble:
    #: One of them is in what PostgreSQL, or the way there, says.
    signs: tuple[str, ...]
    reason: str
    message: str


#: The first that fits is told.
_TROUBLES = (
    _Trouble(
        ("signed by unknown authority",),
        "CertificateNotTrusted",
        "the certificate of PostgreSQL is not of the authority whose ca.crt it is checked against: put that one's "
        "there, or choose sslMode require",
    ),
    _Trouble(
        ("x509: ",),
        "CertificateInvalid",
        "the certificate of PostgreSQL is not for the host that the login names, or not valid any more: renew it, name "
        "a host that it is for, or choose sslMode verify-ca",
    ),
    _Trouble(
        ("SQLSTATE 28P01",),
        "LoginRefused",
        "PostgreSQL refuses user and password: put those that it has into the Secret",
    ),
    _Trouble(
        ("SQLSTATE 28000",),
        "LoginRefused",
        "PostgreSQL takes no such login from there: see to its pg_hba.conf, and whether it wants another sslMode",
    ),
    _Trouble(
        ("SQLSTATE 3D000",), "DatabaseNotFound", "PostgreSQL has no database of that name: create it, or name another"
    ),
    _Trouble(
        ("SQLSTATE 42501",),
        "RightsMissing",
        "the user may not create tables: give it a schema of its name, or the right to create in the schema public",
    ),
    _Trouble(
        ("server refused TLS",),
        "TlsRefused",
        "PostgreSQL speaks no TLS: switch that on, or choose sslMode disable of database.postgresSecretRef",
    ),
    _Trouble(("hostname resolving error",), "HostNotFound", "the host that the login names does not exist: correct it"),
    _Trouble(
        ("dial error", "timeout", "deadline exceeded"),
        "DatabaseUnreachable",
        "PostgreSQL does not answer: see that it runs, at that host and port, and lets the server's pod in",
    ),
    _Trouble(("",), "DatabaseNotOpened", "the server can't open its database: the log of its pod says why"),
)


def as_the_server_found_it(database: DatabaseFacts, pod: PodFacts | None) -> DatabaseFacts:
    """`database`, or that it can't be used if the server ended over it and does not serve since."""
    source = database.source
    if source is None or pod is None or pod.ready or _DATABASE not in pod.last_words:
        return database
    words = pod.last_words.rpartition(_DATABASE)[2]
    trouble = next(trouble for trouble in _TROUBLES if any(sign in words for sign in trouble.signs))
    where = f'the login is in Secret "{source.secret}"'
    if source.ca_secret:
        where += f', the ca.crt in Secret "{source.ca_secret}"'
    return DatabaseFacts(ready=False, reason=trouble.reason, message=f"{trouble.message}; {where}", source=source)
