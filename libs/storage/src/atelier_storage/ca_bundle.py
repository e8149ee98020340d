"""The certificate authorities to trust: the operator's SSL_CERT_FILE, else the bundle of certifi, because slim images
have none of their own."""

import os

import certifi


def ca_bundle_path() -> str:
    """Path of the PEM bundle that verifies the store and the hosts we fetch from."""
    return os.environ.get("SSL_CERT_FILE") or certifi.where()
