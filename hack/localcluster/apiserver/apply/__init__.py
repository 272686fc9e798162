"""Who owns which field: server-side apply and the tracking of other writes, without I/O.

The semantics are those of Kubernetes (structured merge and diff). `types` knows how lists and maps merge, `fieldset`
names fields, `merge` applies.
"""
