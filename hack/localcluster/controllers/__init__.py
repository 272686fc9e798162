"""The simulated controllers: what a control plane's controller manager does, through the API alone."""
