"""What the custom resources share: the base model, metadata, conditions, references by name.

Models are read-only pictures of objects: unknown fields are ignored, since a newer CRD may have written them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel

from informers.resource import ObjectKey, Resource, View
from reconcilers.api.schema import Definition, Rule, list_map, without_empty

DNS_LABEL = "^[a-z]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
DATA_KEY = "^[-._a-zA-Z0-9]+$"
CONDITION_REASON = "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"

#: The longest name of a DittoFS: the longest child, `<name>-controlplane`, then still fits a pod label.
MAX_INSTANCE_NAME = 44

ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
SecretKeyName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=DATA_KEY)]
Port = Annotated[int, Field(ge=1, le=65535)]


class ApiModel(BaseModel):
    """A part of an object of the API: camelCase on the wire, snake_case here, read-only."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(alias=to_camel),
        validate_by_name=True,
        validate_by_alias=True,
        frozen=True,
        extra="ignore",
    )

    def manifest(self) -> dict[str, Any]:
        """The part as plain JSON in the API's words, without what is not set or empty."""
        manifest: dict[str, Any] = without_empty(self.model_dump(mode="json", by_alias=True))
        return manifest


class InvalidObject(ValueError):
    """An object that the API server let in does not fit our model of it; `problems` are field and reason."""

    def __init__(self, kind: str, key: ObjectKey, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__(f"{kind} {key}: " + "; ".join(f"{field}: {reason}" for field, reason in problems))
        self.problems = problems


class ObjectMeta(ApiModel):
    """The parts of Kubernetes' object metadata that the operator reads."""

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    annotations: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One aspect of the object's state, in the form of Kubernetes' meta/v1 Condition."""

    type: Annotated[str, Field(max_length=316, description="What the condition is about, such as Ready.")]
    status: Annotated[ConditionStatus, Field(description="Whether it holds; Unknown when it could not be told.")]
    reason: Annotated[
        str,
        Field(
            min_length=1, max_length=1024, pattern=CONDITION_REASON, description="Why, as one stable word for programs."
        ),
    ]
    message: Annotated[str, Field(max_length=32768, description="Why, as a sentence for people; may be empty.")]
    last_transition_time: Annotated[
        str,
        Field(
            description="When `status` last changed.",
            json_schema_extra={"format": "date-time"},
        ),
    ]
    observed_generation: Annotated[
        int, Field(ge=0, description="The metadata.generation that the condition was found for.")
    ] = 0


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        description="The aspects of the object's state; all of its kind are present from the first pass on.",
        json_schema_extra=list_map("type", max_items=32),
    ),
]


class LocalReference(ApiModel):
    """An object of the same namespace, by name."""

    name: Annotated[ObjectName, Field(description="Name of the object, in the namespace of this one.")]


class CustomResource(ApiModel):
    """A whole object of one of our kinds; subclasses add `spec` and `status`."""

    resource: ClassVar[Resource]
    definition: ClassVar[Definition]

    api_version: str
    kind: str
    metadata: ObjectMeta

    @classmethod
    def from_view(cls, view: View) -> Self:
        """The object `view`, as read from a cache or the API; InvalidObject when it doesn't fit the model."""
        try:
            return cls.model_validate(view)
        except ValidationError as error:
            problems = tuple(
                (".".join(str(part) for part in problem["loc"]), problem["msg"])
                for problem in error.errors(include_url=False, include_context=False, include_input=False)
            )
            raise InvalidObject(cls.resource.kind, ObjectKey.of(view), problems) from None

    @property
    def key(self) -> ObjectKey:
        """Its namespace and name."""
        return ObjectKey(self.metadata.namespace, self.metadata.name)

    @property
    def deleting(self) -> bool:
        """True once somebody asked for its deletion."""
        return self.metadata.deletion_timestamp is not None


#: The rules of names that become names of child objects (DNS labels of Services, values of pod labels).
INSTANCE_NAME_RULES = (
    Rule(
        f"size(self.metadata.name) <= {MAX_INSTANCE_NAME}",
        f"metadata.name must be at most {MAX_INSTANCE_NAME} characters, child objects and pod labels are named after "
        "it; choose a shorter name",
    ),
    Rule(
        f"self.metadata.name.matches('{DNS_LABEL}')",
        "metadata.name must start with a letter and hold only a-z, 0-9 and '-' (no dots), Services are named after it",
    ),
)
