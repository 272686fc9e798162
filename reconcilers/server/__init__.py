"""The REST API of a DittoFS server: typed calls, sessions with their tokens, credentials, errors."""
