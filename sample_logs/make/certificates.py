"""The certificates of nginx: a private authority, a good certificate and an expired one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
PEM = Encoding.PEM


def write_certificates(directory: Path, hosts: list[str], expired: str) -> None:
    """Writes ``authority.pem``, and ``service.pem`` and ``expired.pem`` with their keys."""
    authority_key = generate_private_key(SECP256R1())
    name = common_name("Acme Internal CA")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    authority = builder(name, name, authority_key, NOW + timedelta(days=30)).add_extension(constraints, critical=True)
    (directory / "authority.pem").write_bytes(authority.sign(authority_key, SHA256()).public_bytes(PEM))
    for file, names, end in (("service", hosts, 30), ("expired", [expired], -2)):
        key = generate_private_key(SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(host) for host in names])
        leaf = builder(common_name(names[0]), name, key, NOW + timedelta(days=end)).add_extension(alternatives, False)
        (directory / f"{file}.pem").write_bytes(
            key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
            + leaf.sign(authority_key, SHA256()).public_bytes(PEM)
        )


def builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, end: datetime
) -> x509.CertificateBuilder:
    """A certificate that began to be valid 90 days before its end."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
    )


def common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
