"""What users do in a run, drawn from the number of a script: the same with and without disturbance.

The outcome of a script depends on the order of its actions alone, never on how far the operator is: what is suspended
is resumed at the end, an action waits for the objects that it needs, and nobody deletes the Secret with the password in
force, which only an operator that remembers it could put back.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from hack.simulation.cluster import Cluster
from hack.simulation.scheduler import Scheduler
from hack.simulation.servers import DirectClient
from informers.errors import ClientError, NotFound
from informers.resource import Manifest, ObjectKey, Resource
from reconcilers import names
from reconcilers.api.resources import (
    CONFIG_MAP,
    DITTOFS,
    DITTOFS_SHARE,
    POD,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)

NAMESPACE = "storage"
FIELD_MANAGER = "somebody"

#: So many different scripts there are: their undisturbed ends are worked out once each.
SCRIPTS = 24

_INSTANCES = ("alpha", "beta")
_SHARES = ("export", "projects", "scratch", "home")
_RETRY_S = 0.7
_ACTIONS = (6, 14)
_GAP_S = (0.1, 7.0)

#: An action: done when it gives True; tried again later when it gives False or the API server refuses.
Action = Callable[[], bool]


class Script:
    """The actions of script `number`, done one after the other from `start` on."""

    def __init__(
        self,
        number: int,
        *,
        scheduler: Scheduler,
        client: DirectClient,
        cluster: Cluster,
        trace: Callable[[str, str], None],
    ) -> None:
        self._number = number
        self._random = Random(f"{number}/script")
        #: For what the server takes up only when it starts.
        self._waiting = Random(f"{number}/waiting")
        self._scheduler = scheduler
        self._client = client
        self._cluster = cluster
        self._trace = trace
        self._instances: dict[str, dict[str, Any]] = {}
        self._shares: dict[str, dict[str, Any]] = {}
        self._steps: list[tuple[float, str, Action]] = []
        self.done = False
        self._write()

    def start(self) -> None:
        """Begin."""
        self._next(0)

    @property
    def waits_for(self) -> str:
        """The action that is not done yet."""
        return self._waits_for

    _waits_for = ""

    def _next(self, index: int) -> None:
        if index == len(self._steps):
            self.done = True
            return
        gap_s, words, action = self._steps[index]
        self._waits_for = words

        def attempt() -> None:
            try:
                done = action()
            except ClientError:
                done = False
            if not done:
                self._scheduler.at(_RETRY_S, attempt)
                return
            self._trace("user", words)
            self._next(index + 1)

        self._scheduler.at(gap_s, attempt)

    # --- what there is to do; what is drawn here depends on nothing but the script's number

    def _write(self) -> None:
        random = self._random
        self._create_instance("alpha")
        self._create_share("export")
        kinds: tuple[tuple[int, Callable[[], None]], ...] = (
            (3, self._create_any),
            (6, self._edit_share),
            (5, self._edit_instance),
            (2, self._delete_share),
            (1, self._delete_instance),
            (4, self._delete_child),
            (4, self._edit_child),
            (2, self._crash_server),
            (2, self._change_server),
            (2, self._change_password),
        )
        weights = [weight for weight, _ in kinds]
        for _ in range(random.randint(*_ACTIONS)):
            random.choices([kind for _, kind in kinds], weights)[0]()
        for name, spec in self._instances.items():
            if spec.get("suspend") or spec.get("replicas") == 0:
                spec.update(suspend=False, replicas=1)
                self._do(f"resume instance {name}", partial(self._patch, DITTOFS, name, {"spec": dict(spec)}))
        for name, spec in self._shares.items():
            if spec.get("suspend"):
                spec["suspend"] = False
                resumed = {"spec": {"suspend": False}}
                self._do(f"resume share {name}", partial(self._patch, DITTOFS_SHARE, name, resumed))
        self._make_anew()

    def _make_anew(self) -> None:
        """Delete a share for good and make it again, with a new pod before, between or after."""
        goes = (name for name, spec in self._shares.items() if spec.get("deletionPolicy") == "Delete")
        name = next((name for name in goes if self._shares[name]["instanceRef"]["name"] in self._instances), None)
        if name is None:
            return
        spec = self._shares[name]
        pod = names.pod(spec["instanceRef"]["name"])

        def start_anew() -> bool:
            with contextlib.suppress(NotFound):
                self._client.delete(POD, ObjectKey(NAMESPACE, pod))
            return True

        def delete() -> None:
            self._delete(DITTOFS_SHARE, name)

        def create() -> None:
            self._do(f"create share {name} again", partial(self._create, DITTOFS_SHARE, name, dict(spec)))

        steps = [delete, create]
        steps.insert(self._number % 3, lambda: self._do(f"delete Pod {pod}", start_anew))
        for step in steps:
            step()

    def _do(self, words: str, action: Action) -> None:
        self._steps.append((self._random.uniform(*_GAP_S), words, action))

    def _create_any(self) -> None:
        absent = [name for name in _INSTANCES if name not in self._instances]
        if absent and self._random.random() < 0.4:
            self._create_instance(absent[0])
            return
        names_left = [name for name in _SHARES if name not in self._shares]
        if names_left:
            self._create_share(self._random.choice(names_left))

    def _create_instance(self, name: str) -> None:
        # Fixed for a name: its volumes outlive it.
        spec: dict[str, Any] = {"metadata": {"type": "badger" if name == "alpha" else "sqlite"}}
        self._instances[name] = spec
        self._do(f"create instance {name}", partial(self._create, DITTOFS, name, dict(spec)))

    def _create_share(self, name: str) -> None:
        instance = self._random.choice(_INSTANCES) if self._random.random() < 0.3 else "alpha"
        spec: dict[str, Any] = {"instanceRef": {"name": instance}}
        if Random(f"{self._number}/{name}/policy").random() < 0.5:
            spec["deletionPolicy"] = "Delete"
        spec |= self._what_waits({})
        self._shares[name] = spec
        self._do(f"create share {name} of {instance}", partial(self._create, DITTOFS_SHARE, name, dict(spec)))

    def _edit_instance(self) -> None:
        if not self._instances:
            return
        random, name = self._random, self._random.choice(list(self._instances))
        change: dict[str, Any] = random.choice(
            (
                {"logging": {"level": random.choice(("DEBUG", "INFO", "WARN"))}},
                {"auth": {"accessTokenDuration": random.choice(("10m", "15m", "20m"))}},
                {"adapters": {"smb": {"enabled": random.random() < 0.5}}},
                {"adapters": {"nfs": {"port": random.choice((2049, 3049))}}},
                {"replicas": random.choice((0, 1))},
                {"suspend": random.random() < 0.5},
                {"volumeRetention": random.choice(("Retain", "Delete"))},
            )
        )
        self._instances[name].update(change)
        self._do(f"edit instance {name}: {change}", partial(self._patch, DITTOFS, name, {"spec": change}))

    def _edit_share(self) -> None:
        if not self._shares:
            return
        random, name = self._random, self._random.choice(list(self._shares))
        change: dict[str, Any] = random.choice(
            (
                {"defaultPermission": random.choice(("none", "read", "read-write"))},
                {"readOnly": random.random() < 0.5},
                {"enabled": random.random() < 0.5},
                {"quota": random.choice(({"size": "1Gi"}, {"size": "2Gi"}, None))},
                {"nfs": {"squash": random.choice(("none", "root_to_admin", "all_to_guest"))}},
                {"suspend": random.random() < 0.5},
            )
        )
        change |= self._what_waits(change.get("nfs", {}))
        self._shares[name].update(change)
        self._do(f"edit share {name}: {change}", partial(self._patch, DITTOFS_SHARE, name, {"spec": change}))

    def _what_waits(self, nfs: dict[str, Any]) -> dict[str, Any]:
        """Some fields that a server takes up only when it starts."""
        random = self._waiting
        fields: dict[str, Any] = {}
        if random.random() < 0.5:
            fields["smb"] = {"encryptData": random.random() < 0.7}
        if random.random() < 0.5:
            fields["nfs"] = {**nfs, "requireKerberos": random.random() < 0.7}
        return fields

    def _delete_share(self) -> None:
        if self._shares:
            name = self._random.choice(list(self._shares))
            del self._shares[name]
            self._delete(DITTOFS_SHARE, name)

    def _delete_instance(self) -> None:
        if self._instances:
            name = self._random.choice(list(self._instances))
            spec = self._instances.pop(name)
            self._delete(DITTOFS, name)
            if self._random.random() < 0.7:
                again = {"metadata": spec["metadata"]}
                self._instances[name] = again
                self._do(f"create instance {name} again", partial(self._create, DITTOFS, name, dict(again)))

    def _delete_child(self) -> None:
        instance = self._random.choice(_INSTANCES)
        if instance not in self._instances:
            return
        resource, child = self._random.choice(
            (
                (CONFIG_MAP, names.config_map(instance)),
                (SERVICE, names.nfs_service(instance)),
                (SERVICE, names.api_service(instance)),
                (SERVICE_ACCOUNT, names.service_account(instance)),
                (STATEFUL_SET, names.stateful_set(instance)),
                (POD, names.pod(instance)),
                (SECRET, names.jwt_secret(instance)),
            )
        )

        def delete() -> bool:
            with contextlib.suppress(NotFound):
                self._client.delete(resource, ObjectKey(NAMESPACE, child))
            return True

        self._do(f"delete {resource.kind} {child}", delete)

    def _edit_child(self) -> None:
        instance = self._random.choice(_INSTANCES)
        if instance not in self._instances:
            return
        resource, child, patch = self._random.choice(
            (
                (CONFIG_MAP, names.config_map(instance), {"data": {names.SHARES_KEY: "spoiled"}}),
                (SERVICE, names.api_service(instance), {"spec": {"selector": {names.INSTANCE_LABEL: "x"}}}),
                (SERVICE, names.nfs_service(instance), {"metadata": {"labels": {names.MANAGED_BY_LABEL: None}}}),
                (STATEFUL_SET, names.stateful_set(instance), {"spec": {"replicas": 0}}),
                (SERVICE_ACCOUNT, names.service_account(instance), {"metadata": {"labels": {names.NAME_LABEL: "x"}}}),
            )
        )

        def edit() -> bool:
            with contextlib.suppress(ClientError):
                self._patch(resource, child, patch)
            return True

        self._do(f"spoil {resource.kind} {child}: {patch}", edit)

    def _crash_server(self) -> None:
        instance = self._random.choice(_INSTANCES)
        self._do(f"crash the server of {instance}", lambda: self._cluster.kubelet.crash(instance) or True)

    def _change_server(self) -> None:
        instance, share = self._random.choice(_INSTANCES), self._random.choice(_SHARES)

        def change() -> bool:
            self._cluster.kubelet.spoil_share(instance, f"/{share}")
            return True

        self._do(f"change share /{share} on the server of {instance} by hand", change)

    def _change_password(self) -> None:
        if "alpha" not in self._instances:
            return
        password = f"password-{self._random.randint(10000, 99999)}"
        data = {"password": base64.b64encode(password.encode()).decode()}

        def change() -> bool:
            try:
                self._client.merge_patch(
                    SECRET, ObjectKey(NAMESPACE, "wanted"), {"data": data}, field_manager=FIELD_MANAGER
                )
            except NotFound:
                self._create(SECRET, "wanted", data, field="data")
            return self._patch(DITTOFS, "alpha", {"spec": {"auth": {"adminSecretRef": {"name": "wanted"}}}})

        self._do("change the password wanted for alpha", change)

    def _create(self, resource: Resource, name: str, content: Manifest, *, field: str = "spec") -> bool:
        manifest = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {"namespace": NAMESPACE, "name": name},
            field: content,
        }
        self._client.create(resource, manifest, field_manager=FIELD_MANAGER)
        return True

    def _patch(self, resource: Resource, name: str, patch: Manifest) -> bool:
        self._client.merge_patch(resource, ObjectKey(NAMESPACE, name), patch, field_manager=FIELD_MANAGER)
        return True

    def _delete(self, resource: Resource, name: str) -> None:
        key = ObjectKey(NAMESPACE, name)

        def ask() -> bool:
            with contextlib.suppress(NotFound):
                self._client.delete(resource, key)
            return True

        def gone() -> bool:
            try:
                self._client.get(resource, key)
            except NotFound:
                return True
            return False

        self._do(f"delete {resource.kind} {name}", ask)
        self._do(f"{resource.kind} {name} is gone", gone)
