"""TLS between our own processes: who is believed to be a service, and what one shows of oneself."""

from __future__ import annotations

from dataclasses import dataclass, field

import grpc

from fabula.settings import ServiceSettings, TlsSettings


@dataclass(frozen=True, slots=True)
class Tls:
    """The certificates of one process, in PEM.

    Attributes:
        ca: Certificates of the authorities that are believed.
        certificate: The process's own, with those between it and the authority; empty: it has none.
        key: Its private key.
        mutual: Whether a server asks its callers for a certificate, too.
    """

    ca: bytes
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    mutual: bool = True

    def of_client(self) -> grpc.ChannelCredentials:
        """Return what a client needs. It checks that a server's certificate names the host that it has called."""
        own = {"private_key": self.key, "certificate_chain": self.certificate} if self.certificate else {}
        return grpc.ssl_channel_credentials(self.ca, **own)

    def of_server(self) -> grpc.ServerCredentials:
        """Return what a server needs."""
        return grpc.ssl_server_credentials(
            [(self.key, self.certificate)], self.ca if self.mutual else None, require_client_auth=self.mutual
        )


def tls_of(settings: TlsSettings) -> Tls | None:
    """Return the certificates of a process; None: its calls and answers go in the clear."""
    if settings.tls_ca is None:
        return None
    certificate, key = settings.tls_cert, settings.tls_key
    return Tls(
        settings.tls_ca.read_bytes(),
        certificate.read_bytes() if certificate is not None else b"",
        key.read_bytes() if key is not None else b"",
        settings.tls_mutual if isinstance(settings, ServiceSettings) else True,
    )
