"""Deterministic simulation: the whole operator, an API server and a cluster in one thread, in virtual time."""
