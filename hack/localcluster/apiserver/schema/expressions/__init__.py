"""The Common Expression Language as the API server speaks it: parsed, type-checked against a schema, evaluated.

`syntax` parses, `types` and `check` say what an expression means before any object is there, `functions` holds the
library, `evaluate` runs. No Python library checks types against a schema, which is where a real server refuses rules.
"""
