"""Who may reach the server over the network, and how it is scraped."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reconcilers.api.common import ApiModel, LocalReference, Port, SecretKeyName
from reconcilers.api.pod import FreeForm
from reconcilers.api.schema import atomic_list


class TokenReference(LocalReference):
    """A token in a Secret."""

    key: Annotated[SecretKeyName, Field(description="Key of the token within the Secret.")] = "token"


class Metrics(ApiModel):
    """The server's metrics for Prometheus."""

    enabled: Annotated[bool, Field(description="Whether the server serves metrics. A change restarts the server.")] = (
        False
    )
    port: Annotated[Port, Field(description="TCP port of the Service `<name>-metrics`; inside the pod it is 9090.")] = (
        9090
    )
    path: Annotated[
        str,
        Field(
            max_length=256,
            pattern="^/[A-Za-z0-9._/-]*$",
            description="Path of the metrics. A change restarts the server.",
        ),
    ] = "/metrics"
    token_secret_ref: Annotated[
        TokenReference | None,
        Field(
            description="The Secret with the bearer token that a scrape needs; absent: none. A change restarts the "
            "server."
        ),
    ] = None


class NetworkPolicy(ApiModel):
    """Which connections the pod admits: those to the published ports, and no others."""

    enabled: Annotated[bool, Field(description="Whether the NetworkPolicy `<name>` exists.")] = True
    from_: Annotated[
        tuple[FreeForm, ...],
        Field(
            alias="from",
            description="Who may connect to the published ports, as peers of a NetworkPolicy; empty: everyone. NFS "
            "clients are nodes: admit them by ipBlock. The operator always reaches the API.",
            json_schema_extra=atomic_list(max_items=64),
        ),
    ] = ()
