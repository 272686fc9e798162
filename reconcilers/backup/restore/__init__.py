"""Restores in place: shares get the content that a backup by the method Snapshot kept of them."""
