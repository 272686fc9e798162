"""The demo: a local cluster, the operator as its own process, the samples, and what becomes of them."""
