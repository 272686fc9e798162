"""The reconcilers of DittoFS and the pure builders they use."""
