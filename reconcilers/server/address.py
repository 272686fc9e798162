"""Where the REST API of a server is: by address rather than by name, which works outside the cluster's DNS too."""

from __future__ import annotations


def base_url(address: str, port: int, *, tls: bool) -> str:
    """The URL of a server at `address` (a name or an IP address of either version); empty without an address."""
    return f"http{'s' if tls else ''}://{bracketed(address)}:{port}" if address else ""


def bracketed(address: str) -> str:
    """`address` as it stands in a URL or a mount line: an IPv6 address in brackets."""
    return f"[{address}]" if ":" in address else address
