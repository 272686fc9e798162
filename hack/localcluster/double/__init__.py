"""A double of the DittoFS server's REST API (v0.29.0), for machines on which the real server can't run.

It knows the calls that the operator makes, with the status codes, shapes and oddities that were recorded from the real
server (`tests/integration/test_dittofs_double.py` runs the same calls against both). It serves no files.
"""

from hack.localcluster.double.configuration import StartFailed
from hack.localcluster.double.process import DoubleServer

__all__ = ["DoubleServer", "StartFailed"]
