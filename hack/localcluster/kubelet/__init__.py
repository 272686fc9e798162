"""The simulated kubelet: runs pods, as real processes where this machine can, and reports on them through the API."""
