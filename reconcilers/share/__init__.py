"""What a DittoFSShare becomes on its server: the declared shares of an instance, the plan, the reconciler."""
