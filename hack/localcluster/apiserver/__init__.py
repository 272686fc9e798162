"""A Kubernetes API server for tests and demos: real semantics for what it serves, 501 for what it does not."""
