"""The TLS context of a device: the broker's certificate is always checked, and by one authority."""

import ssl
from binascii import a2b_base64


def der(pem):
    """The first block of a PEM text as DER: not every build of the port reads PEM."""
    inside = pem.split("-----BEGIN ", 1)[1].split("-----", 1)[1].split("-----END", 1)[0]
    return a2b_base64(inside.replace("\r", "").replace("\n", ""))


def context(config):
    """For MQTT, POST and updates. Raises ValueError (or OSError) for what is no certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if config["cert"]:
            made.load_cert_chain(der(config["cert"]), der(config["key"]))
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_verify_locations(cadata=der(config["ca"]))
    except IndexError:
        raise ValueError("ca, cert or key is no PEM")
    return made
