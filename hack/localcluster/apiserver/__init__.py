"""A Kubernetes API server for tests and demos: real semantics for what it serves, 501 for what it does not.

Left out: access control (whoever has the token may do everything), protobuf (so `kubectl create configmap` and its
like are refused: use `kubectl apply` or `create -f`), foreground and orphan deletion, conversion webhooks, admission
webhooks, and the subresources that reach into pods. Everything is in memory and ends with the process.
"""
