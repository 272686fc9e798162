"""One of the two servers: runs each case once and remembers what it answered."""

from __future__ import annotations

import itertools
from random import Random

from tests.parity.case import Case
from tests.parity.endpoint import Endpoint
from tests.parity.kubectl import Kubectl
from tests.parity.running import Record, run
from tests.parity.setting import Setting


class Side:
    """A server with the suite's setting, asked by the suite."""

    def __init__(self, endpoint: Endpoint, kubectl: Kubectl) -> None:
        self.setting = Setting(endpoint)
        self._endpoint = endpoint
        self._kubectl = kubectl
        self._records: dict[str, list[Record]] = {}
        self._prefix = f"parity-{Random().randrange(16**6):06x}"
        self._numbers = itertools.count(1)

    def records(self, case: Case) -> list[Record]:
        """The answers to the steps of `case`."""
        if case.id not in self._records:
            namespace = f"{self._prefix}-{next(self._numbers)}"
            self.setting.namespaces.append(namespace)
            self._records[case.id] = run(case, self._endpoint, self._kubectl, namespace=namespace)
        return self._records[case.id]
