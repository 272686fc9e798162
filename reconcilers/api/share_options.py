"""Options of a share that stand in its own row on the server: its owner, SMB, what is kept locally, operations."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from reconcilers.api.accounts import ACCOUNT_NAME, MAX_ACCOUNT_NAME
from reconcilers.api.common import ApiModel
from reconcilers.api.scalars import OptionalDuration, OptionalSize
from reconcilers.api.schema import Rule, atomic_list, validated
from reconcilers.api.share_operations import BlockableOperation

_OWNER_FIXED = Rule("self == oldSelf", "owner is fixed; create another DittoFSShare")
_TTL_WITH_ITS_POLICY = Rule(
    "(self.policy == 'ttl') == (self.ttl != '')",
    "ttl is about the policy ttl: set both or remove ttl",
    ".ttl",
)
_OPERATIONS_DIFFER = Rule("self.all(o, self.exists_one(p, p == o))", "each operation may be named once")
#: What is said of a field that a running server does not take up.
_NEXT_START = "A change is in force at the server's next start."


class SmbOptions(ApiModel):
    """Options of the share for SMB clients. In force for a share that is made; changes wait for a start."""

    encrypt_data: Annotated[
        bool, Field(description=f"Whether clients must encrypt, which SMB 3 can. {_NEXT_START}")
    ] = False
    access_based_enumeration: Annotated[
        bool, Field(description=f"Whether users see only the files that they may read. {_NEXT_START}")
    ] = False
    change_notify_disabled: Annotated[
        bool, Field(description=f"Whether clients are refused news of changes in a directory. {_NEXT_START}")
    ] = False
    streams_disabled: Annotated[
        bool, Field(description=f"Whether clients are refused named streams of files. {_NEXT_START}")
    ] = False
    continuous_availability: Annotated[
        bool,
        Field(description=f"Whether clients may keep what they have open over a restart of the server. {_NEXT_START}"),
    ] = False
    allow_mfsymlink: Annotated[
        bool,
        Field(description=f"Whether symbolic links that clients write as files (XSym) become real ones. {_NEXT_START}"),
    ] = False


class RetentionPolicy(StrEnum):
    """What of a bucket's files stays in the cache in front of it."""

    LRU = "lru"
    PIN = "pin"
    TTL = "ttl"


class Retention(ApiModel):
    """What stays in the cache in front of a bucket. Without a bucket nothing is ever evicted."""

    model_config = ConfigDict(json_schema_extra=validated(_TTL_WITH_ITS_POLICY))

    policy: Annotated[
        RetentionPolicy,
        Field(
            description="What goes when the cache is full: lru: what was used longest ago; pin: nothing; ttl: what is "
            "older than `ttl`. DittoFS v0.29.0 keeps the policy and treats each as lru, which a condition says."
        ),
    ] = RetentionPolicy.LRU
    ttl: Annotated[
        OptionalDuration, Field(description="With the policy ttl: how long contents stay, in whole seconds.")
    ] = ""


class ShareCache(ApiModel):
    """What the server keeps of the share close at hand."""

    local_size: Annotated[
        OptionalSize,
        Field(
            description="The most that the cache in front of a bucket may take for this share; empty: `cache.size` of "
            f"the DittoFS. Without a bucket it has no effect, which a condition says. {_NEXT_START}"
        ),
    ] = ""
    read_buffer: Annotated[
        OptionalSize,
        Field(
            description="Memory for what is read, for this share; empty: an eighth of the pod's memory. " + _NEXT_START
        ),
    ] = ""


Owner = Annotated[
    str,
    Field(
        max_length=MAX_ACCOUNT_NAME,
        pattern=f"^({ACCOUNT_NAME})?$",
        description="Name of the user whom the share's root directory belongs to; empty: root. What the user may do in "
        "the share, `permissions` say apart from it. The share waits until the server has the user. Fixed.",
        json_schema_extra=validated(_OWNER_FIXED),
    ),
]
BlockedOperations = Annotated[
    tuple[BlockableOperation, ...],
    Field(
        description="Operations that the server is to refuse in this share, by the protocols' names. DittoFS v0.29.0 "
        "keeps the list and refuses none of them, which a condition says: readOnly and permissions do; for all shares "
        "together adapters.nfs.settings.blocked_operations of the DittoFS does.",
        json_schema_extra={**atomic_list(max_items=len(BlockableOperation)), **validated(_OPERATIONS_DIFFER)},
    ),
]
