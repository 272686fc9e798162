"""The custom resources as pydantic models, and the resource types the operator deals with.

One module a part: `dittofs`, `share` (the kinds), `storage`, `adapters`, `dittofs_status` (their parts), `common`,
`scalars` (quantities, durations), `schema` (CEL rules, columns), `resources` (names of the API's types).
"""
