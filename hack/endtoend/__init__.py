"""`make e2e`: the end-to-end scenarios on a kind cluster of its own, or on a cluster that exists."""
