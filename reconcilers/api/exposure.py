"""Who may reach the server over the network, and how it is scraped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from reconcilers.api.common import ApiModel, LocalReference, Port, SecretKeyName
from reconcilers.api.pod import FreeForm
from reconcilers.api.scalars import Duration
from reconcilers.api.schema import atomic_list


class TokenReference(LocalReference):
    """A token in a Secret."""

    key: Annotated[SecretKeyName, Field(description="Key of the token within the Secret.")] = "token"


class ServiceMonitor(ApiModel):
    """A ServiceMonitor of prometheus-operator."""

    enabled: Annotated[
        bool,
        Field(
            description="Whether the ServiceMonitor `<name>` exists; it comes and goes with prometheus-operator's own "
            "definition, so that it may be installed later. Only with metrics.enabled."
        ),
    ] = False
    interval: Annotated[Duration, Field(description="How often Prometheus scrapes, such as 30s.")] = "30s"
    labels: Annotated[
        Mapping[str, Annotated[str, StringConstraints(max_length=63)]],
        Field(
            description="More labels of the ServiceMonitor, by which a Prometheus selects it.",
            json_schema_extra={"maxProperties": 32},
        ),
    ] = Field(default_factory=dict)


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
    service_monitor: Annotated[ServiceMonitor, Field(description="The ServiceMonitor of prometheus-operator.")] = (
        ServiceMonitor()
    )


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
