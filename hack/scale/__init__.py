"""Many shares: a whole operator beside a local cluster, and what it costs the API server and the servers."""
