"""The reconciler of DittoFS: one custom resource becomes one running, described file server."""
