"""The built-in resource types that the local cluster reads and writes beside those that the operator knows."""

from __future__ import annotations

from informers.resource import Resource

NAMESPACE = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
CONTROLLER_REVISION = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
CUSTOM_RESOURCE_DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
STORAGE_CLASS = Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
