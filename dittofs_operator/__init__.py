"""The operator program: settings, wiring, command line, generated manifests."""
