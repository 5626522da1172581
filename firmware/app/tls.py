"""The TLS context of a device. The broker's certificate is always checked against one authority."""

import ssl

from app.pem import der


def context(config):
    """Build the context for MQTT, POST and updates. Raises ValueError (or OSError) for an invalid
    certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if config["cert"]:
        made.load_cert_chain(der(config["cert"]), der(config["key"], "PRIVATE KEY"))
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata=der(config["ca"]))
    return made
