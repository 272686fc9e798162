"""Backups of instances: what a DittoFSBackup asks for, done once, and said honestly."""
