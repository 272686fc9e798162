"""How clients reach a DittoFS: its protocols and the Service of each."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from informers.view import thaw
from reconcilers.api.common import DNS_SUBDOMAIN, ApiModel, Port
from reconcilers.api.pod import FreeForm
from reconcilers.api.schema import Rule, atomic_list, validated

_LOAD_BALANCER_ONLY = tuple(
    Rule(
        f"!has(self.{field}) || {empty}self.type == 'LoadBalancer'",
        f"service.{field} works with service.type LoadBalancer only: set that type or remove {field}",
        f".{field}",
    )
    for field, empty in (
        ("loadBalancerClass", ""),
        ("loadBalancerSourceRanges", "size(self.loadBalancerSourceRanges) == 0 || "),
    )
)
_EXTERNAL_ONLY = tuple(
    Rule(
        f"!has(self.{field}) || self.type != 'ClusterIP'",
        f"service.{field} works with service.type NodePort or LoadBalancer only: set one of them or remove {field}",
        f".{field}",
    )
    for field in ("externalTrafficPolicy", "nodePort")
)
_CLASS_FIXED = Rule(
    # The API server itself refuses the change on the Service, which would then only show as a condition.
    "self.type != 'LoadBalancer' || oldSelf.type != 'LoadBalancer' || "
    "(has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass) && "
    "(!has(self.loadBalancerClass) || self.loadBalancerClass == oldSelf.loadBalancerClass))",
    "service.loadBalancerClass is fixed while service.type is LoadBalancer: set another type first, then both",
    ".loadBalancerClass",
)


def _node_ports_differ(one: str, other: str, *, when: str) -> str:
    return (
        f"(!({when}) || !has(self.{one}.service.nodePort) || !has(self.{other}.service.nodePort) || "
        f"self.{one}.service.nodePort != self.{other}.service.nodePort)"
    )


_NODE_PORTS_DIFFER = Rule(
    " && ".join(
        (
            _node_ports_differ("nfs", "smb", when="self.nfs.enabled && self.smb.enabled"),
            _node_ports_differ("nfs", "api", when="self.nfs.enabled"),
            _node_ports_differ("smb", "api", when="self.smb.enabled"),
        )
    ),
    "service.nodePort must differ among the enabled adapters, a node port belongs to one Service; change one of them",
)

_CLIENT_CA_NEEDS_TLS = Rule(
    "self.clientCASecretName == '' || self.secretName != ''",
    "tls.clientCASecretName needs tls.secretName: client certificates are part of TLS",
)
_CLIENT_CA_NEEDS_CLIENT = Rule(
    "self.clientCASecretName == '' || self.clientSecretName != ''",
    "tls.clientCASecretName needs tls.clientSecretName: without a certificate of its own the operator is locked out",
)

#: The name of a Secret, or empty.
SecretName = Annotated[str, StringConstraints(max_length=253, pattern=f"^({DNS_SUBDOMAIN[1:-1]})?$")]


#: Settings that the server takes and checks but never stores: they would be sent for ever.
_NEVER_STORED = ("v4_max_connections_per_session", "v4_max_minor_version", "v4_min_minor_version")

#: Settings of the NFS listener, by the server's names.
NfsSettings = Annotated[
    dict[str, Any],
    BeforeValidator(thaw),
    WithJsonSchema(
        {
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "properties": {
                name: {"type": "integer", "minimum": 0, "description": "Not stored by the server: refused here."}
                for name in _NEVER_STORED
            },
            **validated(
                Rule(
                    " && ".join(f"!has(self.{name})" for name in _NEVER_STORED),
                    f"the server takes {', '.join(_NEVER_STORED)} but never stores them: remove them",
                )
            ),
        }
    ),
]


class ServiceType(StrEnum):
    """How far a Service reaches."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class ExternalTrafficPolicy(StrEnum):
    """Which nodes pass on traffic from outside."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class Service(ApiModel):
    """The Service of one adapter."""

    model_config = ConfigDict(json_schema_extra=validated(*_LOAD_BALANCER_ONLY, *_EXTERNAL_ONLY, _CLASS_FIXED))

    type: Annotated[
        ServiceType,
        Field(description="ClusterIP: inside the cluster; NodePort: on each node too; LoadBalancer: from outside too."),
    ] = ServiceType.CLUSTER_IP
    annotations: Annotated[
        Mapping[str, Annotated[str, StringConstraints(max_length=8192)]],
        Field(
            description="Annotations of the Service, such as the ones that a load balancer reads.",
            json_schema_extra={"maxProperties": 64},
        ),
    ] = Field(default_factory=dict)
    load_balancer_class: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=253,
            description="Which load balancer implementation serves it; absent: the cluster's default. With type "
            "LoadBalancer only, and fixed while that type stays.",
        ),
    ] = None
    load_balancer_source_ranges: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=43, pattern="^[0-9a-fA-F.:]+/[0-9]{1,3}$")], ...],
        Field(
            description="Networks that the load balancer admits, such as 10.0.0.0/8; empty: all. With type "
            "LoadBalancer only.",
            json_schema_extra=atomic_list(max_items=64),
        ),
    ] = ()
    external_traffic_policy: Annotated[
        ExternalTrafficPolicy | None,
        Field(
            description="Local keeps the clients' addresses and uses only the node of the pod; Cluster uses every "
            "node. Absent: Cluster. With types NodePort and LoadBalancer only."
        ),
    ] = None
    node_port: Annotated[
        Port | None,
        Field(
            description="Port on each node, in the cluster's range of node ports; absent: one is chosen. With types "
            "NodePort and LoadBalancer only."
        ),
    ] = None


class NfsAdapter(ApiModel):
    """NFS, versions 3 and 4, over TCP."""

    enabled: Annotated[bool, Field(description="Whether clients can use NFS.")] = True
    port: Annotated[Port, Field(description="TCP port of the Service; inside the pod it is 12049.")] = 2049
    service: Annotated[Service, Field(description="The Service `<name>-nfs`.")] = Service()
    settings: Annotated[
        NfsSettings,
        Field(
            description="Settings of the server's NFS listener by its own names, such as lease_time: 60. Changed live, "
            "those of the portmapper and UDP when the listener next starts; one that is removed here stays as it is."
        ),
    ] = Field(default_factory=dict)


class SmbAdapter(ApiModel):
    """SMB, versions 2 and 3, over TCP."""

    enabled: Annotated[bool, Field(description="Whether clients can use SMB.")] = False
    port: Annotated[Port, Field(description="TCP port of the Service; inside the pod it is 12445.")] = 445
    service: Annotated[Service, Field(description="The Service `<name>-smb`.")] = Service()
    settings: Annotated[
        FreeForm,
        Field(
            description="Settings of the server's SMB listener by its own names, such as signing: required. Changed "
            "live; one that is removed here stays as it is."
        ),
    ] = Field(default_factory=dict)


class ApiTls(ApiModel):
    """TLS of the REST API."""

    model_config = ConfigDict(json_schema_extra=validated(_CLIENT_CA_NEEDS_TLS, _CLIENT_CA_NEEDS_CLIENT))

    secret_name: Annotated[
        SecretName,
        Field(
            description="Secret of type kubernetes.io/tls with the certificate for `<name>-api.<namespace>.svc` and, "
            "under ca.crt, who signed it; empty: the API speaks plain HTTP. A new certificate is taken up live."
        ),
    ] = ""
    client_ca_secret_name: Annotated[
        SecretName,
        Field(
            alias="clientCASecretName",
            description="Secret whose ca.crt signs the certificates that clients of the API must present; empty: none. "
            "A change restarts the server.",
        ),
    ] = ""
    client_secret_name: Annotated[
        SecretName,
        Field(
            description="Secret of type kubernetes.io/tls with the certificate that the operator presents; needed with "
            " clientCASecretName."
        ),
    ] = ""


class ApiAdapter(ApiModel):
    """The REST API of the server, which the operator itself needs."""

    port: Annotated[Port, Field(description="TCP port of the Service; inside the pod it is 8080.")] = 8080
    service: Annotated[Service, Field(description="The Service `<name>-api`.")] = Service()
    tls: Annotated[ApiTls, Field(description="TLS of the REST API.")] = ApiTls()


class Adapters(ApiModel):
    """The protocols of the server."""

    model_config = ConfigDict(json_schema_extra=validated(_NODE_PORTS_DIFFER))

    nfs: Annotated[NfsAdapter, Field(description="NFS, versions 3 and 4, over TCP.")] = NfsAdapter()
    smb: Annotated[SmbAdapter, Field(description="SMB, versions 2 and 3, over TCP.")] = SmbAdapter()
    api: Annotated[ApiAdapter, Field(description="The REST API of the server; always on, the operator needs it.")] = (
        ApiAdapter()
    )
