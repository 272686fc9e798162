"""Pure builders: a specification and observed facts in, plain manifests out; they know no client."""
