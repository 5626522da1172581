"""The certificate of the stack's address on the local network, and the authority that signs it.

Both are created here, once. Devices and phones trust the authority, which never changes. The
server's certificate is renewed when the address changes and before it expires.
"""

import contextlib
import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from parking.access.secret_files import write_private

AUTHORITY_DAYS: Final = 3650
SERVER_DAYS: Final = 397  # browsers accept no more
RENEW_DAYS: Final = 30
_PAST: Final = dt.timedelta(days=1)  # for devices whose clocks are slow


@dataclass(frozen=True, slots=True)
class Certificates:
    """The files, all in PEM form, in one private folder."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate, for devices and phones."""
        return self.folder / "ca.pem"

    @property
    def chain(self) -> Path:
        """The server's certificate."""
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """The server's private key."""
        return self.folder / "server.key"

    def prepare(self, names: tuple[str, ...], now: dt.datetime | None = None) -> bool:
        """Create what is missing and renew what no longer fits. `names` holds addresses and DNS
        names. Returns whether the server's certificate is new."""
        now = now or dt.datetime.now(dt.UTC)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority_key = self._authority_key
        if not (self.authority.exists() and authority_key.exists()):
            self._create_authority(now)
        authority = _certificate(self.authority)
        if self._fits(names, authority, now):
            return False
        key, signer = ec.generate_private_key(ec.SECP256R1()), _key(authority_key)
        chain = _server(names, key.public_key(), authority, signer, now)
        write_private(self.key, _private_pem(key))
        write_private(self.chain, _pem(chain))
        return True

    def fingerprint(self) -> str:
        """Return the SHA-256 of the server's certificate, as browsers show it."""
        return _certificate(self.chain).fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def _authority_key(self) -> Path:
        return self.folder / "ca.key"

    def _fits(self, names: tuple[str, ...], authority: x509.Certificate, now: dt.datetime) -> bool:
        if not (self.chain.exists() and self.key.exists()):
            return False
        chain = _certificate(self.chain)
        try:
            chain.verify_directly_issued_by(authority)
        except (InvalidSignature, TypeError, ValueError):
            return False
        found = chain.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        late = chain.not_valid_after_utc - now < dt.timedelta(days=RENEW_DAYS)
        return found == _alternative(names) and not late

    def _create_authority(self, now: dt.datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Smart Parking local network")])
        public = key.public_key()
        builder = (
            _builder(name, name, public, now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )
        write_private(self._authority_key, _private_pem(key))
        write_private(self.authority, _pem(builder.sign(key, hashes.SHA256())))


def _server(
    names: tuple[str, ...],
    public: ec.EllipticCurvePublicKey,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    signers = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        _builder(subject, authority.subject, public, now, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_alternative(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signers), critical=False
        )
        .sign(signer, hashes.SHA256())
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _PAST)
        .not_valid_after(now - _PAST + dt.timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    """List each address as a DNS name too, because some boards' TLS libraries compare only
    those."""
    general: list[x509.GeneralName] = []
    for name in names:
        with contextlib.suppress(ValueError):
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        general.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(general)


def _certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not the key that was created here")
    return key


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode("ascii")
