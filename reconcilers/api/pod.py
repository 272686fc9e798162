"""What users may add to the server's pod: placement, identity, variables and volumes, within restricted security."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from informers.view import thaw
from reconcilers.api.common import ApiModel, ObjectName, SecretKeyName
from reconcilers.api.schema import Rule, atomic_list, validated

#: A part of the pod's specification in Kubernetes' own words, which the API server checks with the StatefulSet.
FreeForm = Annotated[
    dict[str, Any],
    BeforeValidator(thaw),
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]

_OPERATORS_METADATA = Rule(
    "self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('dittofs.dittofs.io/'))",
    "keys below app.kubernetes.io/ and dittofs.dittofs.io/ are the operator's own; choose another prefix",
)
_VARIABLES_ARE_USERS_OWN = Rule(
    "self.all(e, e.name != 'SSL_CERT_FILE' && (!e.name.startsWith('DITTOFS_') || e.name.startsWith('DITTOFS_LDAP_') || "
    "e.name.startsWith('DITTOFS_KERBEROS_') || e.name == 'DITTOFS_ENCRYPTION_PASSPHRASE'))",
    "pod.extraEnv must not set SSL_CERT_FILE or DITTOFS_* (they override what the operator configures; only "
    "DITTOFS_LDAP_*, DITTOFS_KERBEROS_* and DITTOFS_ENCRYPTION_PASSPHRASE are free); use the fields of the spec",
)
_NAMES_DIFFER = Rule("self.all(e, self.exists_one(f, f.name == e.name))", "each name may be given once")
_ONE_SOURCE = Rule(
    "(has(self.secretKeyRef) ? 1 : 0) + (has(self.configMapKeyRef) ? 1 : 0) + (has(self.fieldRef) ? 1 : 0) == 1",
    "exactly one of secretKeyRef, configMapKeyRef and fieldRef must be set",
)
_VALUE_OR_SOURCE = Rule("!has(self.value) || !has(self.valueFrom)", "value and valueFrom exclude each other")

#: The kinds of volume that the restricted Pod Security Standard admits.
VOLUME_SOURCES = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
)
#: The names of the volumes that the operator itself makes.
RESERVED_VOLUMES = (
    "api-tls", "api-client-ca", "cache", "config", "controlplane", "database-ca", "metadata", "metrics-token",
    "payload", "purge-list", "s3-ca", "tmp",
)  # fmt: skip
_ONE_VOLUME_SOURCE = Rule(
    " + ".join(f"(has(self.{source}) ? 1 : 0)" for source in VOLUME_SOURCES) + " == 1",
    f"exactly one of {', '.join(VOLUME_SOURCES)} must be set; other kinds of volumes, such as hostPath and nfs, are "
    "not allowed by the restricted Pod Security Standard",
)
_VOLUMES_ARE_USERS_OWN = Rule(
    f"self.all(v, !(v.name in [{', '.join(repr(name) for name in RESERVED_VOLUMES)}]))",
    f"the names {', '.join(RESERVED_VOLUMES)} are the operator's own volumes; choose another name",
)
_MOUNTS_ARE_USERS_OWN = Rule(
    "self.all(m, !m.mountPath.matches('^/(data|etc/dittofs|run/dittofs|tmp)(/|$)'))",
    "mountPath must be outside of /data, /etc/dittofs, /run/dittofs and /tmp, which are the operator's own",
)
_MOUNTS_DIFFER = Rule("self.all(m, self.exists_one(o, o.mountPath == m.mountPath))", "each mountPath may be given once")

_LabelMap = Annotated[
    Mapping[str, Annotated[str, StringConstraints(max_length=63)]],
    Field(json_schema_extra={"maxProperties": 32, **validated(_OPERATORS_METADATA)}),
]
_AnnotationMap = Annotated[
    Mapping[str, Annotated[str, StringConstraints(max_length=8192)]],
    Field(json_schema_extra={"maxProperties": 32, **validated(_OPERATORS_METADATA)}),
]
_Id = Annotated[int, Field(ge=1, le=4294967295)]


class SeccompType(StrEnum):
    """Where the filter of system calls comes from."""

    RUNTIME_DEFAULT = "RuntimeDefault"
    LOCALHOST = "Localhost"


class SeccompProfile(ApiModel):
    """The filter of system calls."""

    model_config = ConfigDict(
        json_schema_extra=validated(
            Rule(
                "(self.type == 'Localhost') == has(self.localhostProfile)",
                "localhostProfile belongs to type Localhost, which needs it",
            )
        )
    )

    type: Annotated[SeccompType, Field(description="RuntimeDefault, or Localhost with a profile on the node.")]
    localhost_profile: Annotated[
        str | None, Field(min_length=1, max_length=512, description="Path of the profile on the node.")
    ] = None


class SeLinuxType(StrEnum):
    """The SELinux types that the restricted Pod Security Standard admits."""

    CONTAINER = "container_t"
    CONTAINER_INIT = "container_init_t"
    CONTAINER_KVM = "container_kvm_t"
    CONTAINER_ENGINE = "container_engine_t"


class SeLinuxOptions(ApiModel):
    """The SELinux context."""

    type: Annotated[SeLinuxType | None, Field(description="The SELinux type of the processes.")] = None
    level: Annotated[str | None, Field(min_length=1, max_length=253, description="The SELinux level.")] = None


class FsGroupChangePolicy(StrEnum):
    """When the owner of a volume's files is changed."""

    ON_ROOT_MISMATCH = "OnRootMismatch"
    ALWAYS = "Always"


class PodSecurityContext(ApiModel):
    """The identity of the pod's processes. What is absent here is left to the cluster; never root, always seccomp."""

    run_as_user: Annotated[_Id | None, Field(description="User of the processes; not 0.")] = None
    run_as_group: Annotated[_Id | None, Field(description="Group of the processes; not 0.")] = None
    fs_group: Annotated[_Id | None, Field(description="Group that owns the volumes' files; not 0.")] = None
    fs_group_change_policy: Annotated[
        FsGroupChangePolicy | None, Field(description="When the owner of a volume's files is changed.")
    ] = None
    supplemental_groups: Annotated[
        tuple[_Id, ...],
        Field(description="More groups of the processes.", json_schema_extra=atomic_list(max_items=32)),
    ] = ()
    se_linux_options: Annotated[SeLinuxOptions | None, Field(description="The SELinux context of the pod.")] = None
    seccomp_profile: Annotated[
        SeccompProfile | None, Field(description="The filter of system calls; absent: the runtime's default.")
    ] = None


class ContainerSecurityContext(ApiModel):
    """Security of the server's container; privileges and capabilities are always dropped."""

    read_only_root_filesystem: Annotated[
        bool, Field(description="Whether the container's own file system is read-only.")
    ] = True
    run_as_user: Annotated[_Id | None, Field(description="User of the server; not 0.")] = None
    run_as_group: Annotated[_Id | None, Field(description="Group of the server; not 0.")] = None
    se_linux_options: Annotated[SeLinuxOptions | None, Field(description="The SELinux context of the container.")] = (
        None
    )
    seccomp_profile: Annotated[SeccompProfile | None, Field(description="The filter of system calls.")] = None


class KeyReference(ApiModel):
    """A key of a Secret or ConfigMap of the same namespace."""

    name: Annotated[ObjectName, Field(description="Name of the object.")]
    key: Annotated[SecretKeyName, Field(description="Key within the object.")]


class FieldReference(ApiModel):
    """A field of the pod."""

    field_path: Annotated[str, Field(min_length=1, max_length=253, description="Path, such as status.podIP.")]


class VariableSource(ApiModel):
    """Where the value of a variable comes from."""

    model_config = ConfigDict(json_schema_extra=validated(_ONE_SOURCE))

    secret_key_ref: Annotated[
        KeyReference | None, Field(description="A key of a Secret; a change of its value restarts the server.")
    ] = None
    config_map_key_ref: Annotated[
        KeyReference | None, Field(description="A key of a ConfigMap; a change of its value restarts nothing.")
    ] = None
    field_ref: Annotated[FieldReference | None, Field(description="A field of the pod.")] = None


class Variable(ApiModel):
    """An environment variable of the server."""

    model_config = ConfigDict(json_schema_extra=validated(_VALUE_OR_SOURCE))

    name: Annotated[str, Field(max_length=128, pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="Name of the variable.")]
    value: Annotated[str | None, Field(max_length=8192, description="The value; no place for a secret.")] = None
    value_from: Annotated[VariableSource | None, Field(description="Where the value comes from.")] = None


class Volume(ApiModel):
    """A volume of the pod: a name and one source, in Kubernetes' own words."""

    model_config = ConfigDict(json_schema_extra=validated(_ONE_VOLUME_SOURCE))

    name: Annotated[
        str, Field(max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", description="Name of the volume.")
    ]
    config_map: Annotated[FreeForm | None, Field(description="Files from a ConfigMap.")] = None
    csi: Annotated[FreeForm | None, Field(description="A volume of a CSI driver that lives as long as the pod.")] = None
    downward_api: Annotated[
        FreeForm | None, Field(alias="downwardAPI", description="Files from fields of the pod.")
    ] = None
    empty_dir: Annotated[FreeForm | None, Field(description="An empty folder that lives as long as the pod.")] = None
    ephemeral: Annotated[FreeForm | None, Field(description="A claim that lives as long as the pod.")] = None
    persistent_volume_claim: Annotated[FreeForm | None, Field(description="A claim of the same namespace.")] = None
    projected: Annotated[FreeForm | None, Field(description="Several sources in one folder.")] = None
    secret: Annotated[FreeForm | None, Field(description="Files from a Secret.")] = None


class VolumeMount(ApiModel):
    """Where a volume appears in the server's container."""

    name: Annotated[str, Field(min_length=1, max_length=63, description="Name of a volume of extraVolumes.")]
    mount_path: Annotated[
        str,
        Field(
            max_length=512, pattern="^(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$", description="Absolute path in the container."
        ),
    ]
    sub_path: Annotated[str | None, Field(min_length=1, max_length=512, description="Path within the volume.")] = None
    read_only: Annotated[bool, Field(description="Whether the server may only read it.")] = False


class Pod(ApiModel):
    """Additions to the server's pod. Every change here restarts the server."""

    labels: Annotated[_LabelMap, Field(description="More labels of the pod.")] = Field(default_factory=dict)
    annotations: Annotated[_AnnotationMap, Field(description="More annotations of the pod.")] = Field(
        default_factory=dict
    )
    node_selector: Annotated[
        Mapping[str, Annotated[str, StringConstraints(max_length=63)]],
        Field(description="Labels of the nodes that may run it.", json_schema_extra={"maxProperties": 32}),
    ] = Field(default_factory=dict)
    tolerations: Annotated[
        tuple[FreeForm, ...],
        Field(description="Taints of nodes that it tolerates.", json_schema_extra=atomic_list(max_items=32)),
    ] = ()
    affinity: Annotated[FreeForm | None, Field(description="Which nodes, and beside which pods, it prefers.")] = None
    topology_spread_constraints: Annotated[
        tuple[FreeForm, ...],
        Field(description="How it is spread among zones and nodes.", json_schema_extra=atomic_list(max_items=16)),
    ] = ()
    priority_class_name: Annotated[ObjectName | None, Field(description="PriorityClass of the pod.")] = None
    runtime_class_name: Annotated[ObjectName | None, Field(description="RuntimeClass of the pod.")] = None
    service_account_name: Annotated[
        ObjectName | None,
        Field(description="ServiceAccount of the pod; absent: one of its own without any right, `<name>`."),
    ] = None
    security_context: Annotated[
        PodSecurityContext | None,
        Field(
            description="Identity of the pod's processes; absent: user and group 65532, as the image has it. An empty "
            "object leaves user and groups to the cluster, as OpenShift wants it."
        ),
    ] = None
    container_security_context: Annotated[
        ContainerSecurityContext | None, Field(description="Security of the server's container.")
    ] = None
    extra_env: Annotated[
        tuple[Variable, ...],
        Field(
            description="More environment variables of the server, such as DITTOFS_LDAP_BIND_PASSWORD.",
            json_schema_extra={
                **atomic_list(max_items=100),
                **validated(_NAMES_DIFFER, _VARIABLES_ARE_USERS_OWN),
            },
        ),
    ] = ()
    extra_volumes: Annotated[
        tuple[Volume, ...],
        Field(
            description="More volumes of the pod.",
            json_schema_extra={**atomic_list(max_items=50), **validated(_NAMES_DIFFER, _VOLUMES_ARE_USERS_OWN)},
        ),
    ] = ()
    extra_volume_mounts: Annotated[
        tuple[VolumeMount, ...],
        Field(
            description="Where extraVolumes appear in the server's container.",
            json_schema_extra={**atomic_list(max_items=50), **validated(_MOUNTS_DIFFER, _MOUNTS_ARE_USERS_OWN)},
        ),
    ] = ()
