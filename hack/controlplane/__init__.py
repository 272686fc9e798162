"""A real control plane (etcd, kube-apiserver, kube-controller-manager) for tests, with a simulated node."""
