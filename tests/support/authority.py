"""A certificate authority of a test's own, with the contents of the Secrets that it issues."""

from __future__ import annotations

import trustme


class Authority:
    """Signs certificates that nothing else trusts."""

    def __init__(self) -> None:
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        #: The authority's own certificate, in PEM.
        self.text: str = self._authority.cert_pem.bytes().decode()
        self.issued: dict[str, str] = {}

    def issue(self, *names: str) -> dict[str, str]:
        """The contents of a Secret of type kubernetes.io/tls for these names."""
        certificate = self._authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
        chain = "".join(blob.bytes().decode() for blob in certificate.cert_chain_pems)
        self.issued = {"ca.crt": self.text, "tls.crt": chain, "tls.key": certificate.private_key_pem.bytes().decode()}
        return self.issued
