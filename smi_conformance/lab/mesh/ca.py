"""The mesh's certificate authority."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS, LEAF_HOURS = 3650, 24
#: Clocks of nodes may differ a little.
BACKDATED = timedelta(minutes=2)


class Authority:
    """A key and its certificate, both PEM."""

    def __init__(self, certificate: str, key: str) -> None:
        self.pem = certificate
        self.key_pem = key
        self._certificate = x509.load_pem_x509_certificate(certificate.encode())
        loaded = serialization.load_pem_private_key(key.encode(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError("the key of the authority is no EC key")
        self._key = loaded

    @classmethod
    def new(cls) -> Authority:
        """A fresh authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "smi-reference")])
        built = (
            _builder(name, name, key.public_key(), timedelta(days=CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(_pem(built), _key_pem(key))

    def sign_csr(self, csr: bytes, spiffe: str, name: str) -> str:
        """A leaf for the key of a request, with an account's SPIFFE ID and one pod's DNS name.

        Nothing else of the request counts. Raises ValueError.
        """
        request = x509.load_pem_x509_csr(csr)
        if not request.is_signature_valid:
            raise ValueError("the request is not signed by its own key")
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ValueError("the key is no EC key")
        return self._leaf(key, x509.UniformResourceIdentifier(spiffe), x509.DNSName(name))

    def serving(self, *names: str) -> tuple[str, str]:
        """Certificate and key of a server with these DNS names."""
        key = ec.generate_private_key(ec.SECP256R1())
        return self._leaf(key.public_key(), *(x509.DNSName(name) for name in names)), _key_pem(key)

    def _leaf(self, key: ec.EllipticCurvePublicKey, *names: x509.GeneralName) -> str:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        built = (
            _builder(x509.Name([]), self._certificate.subject, key, timedelta(hours=LEAF_HOURS))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return _pem(built)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lives: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lives)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, format_ = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, format_, serialization.NoEncryption()).decode()
