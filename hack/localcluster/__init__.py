"""The local cluster: an API server, simulated controllers and a simulated kubelet, in one Python process."""
