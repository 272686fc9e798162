"""What developers run: the local cluster, the demo, generators."""
