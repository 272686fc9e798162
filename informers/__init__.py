"""A Kubernetes controller runtime: reflectors, stores, informers, work queue, leader election, manager."""
