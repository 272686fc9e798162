"""Measures archives of a tree of files beside `tar | zstd` of the same tree."""
