"""Signatures of requests to object stores, against the examples that Amazon publishes."""

from __future__ import annotations

import calendar
import hashlib

from serving.gateway.audit.sigv4 import DIALECTS, Credentials, signed_headers

# "Signature Calculations for the Authorization Header", examples "GET Object" and "PUT Object" (Amazon S3 API
# Reference, read 2026-11). The credentials there are examples too.
_EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")  # not-a-secret
_NOW = calendar.timegm((2013, 5, 24, 0, 0, 0))


def _signature(method: str, url: str, headers: dict[str, str], body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    signed = signed_headers(method, url, headers, digest, _EXAMPLE, DIALECTS["s3"], "us-east-1", now=_NOW)
    return signed["authorization"].rpartition("Signature=")[2]


def test_the_published_example_of_a_get() -> None:
    found = _signature("GET", "https://examplebucket.s3.amazonaws.com/test.txt", {"range": "bytes=0-9"}, b"")
    assert found == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"


def test_the_published_example_of_a_put() -> None:
    headers = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}
    url = "https://examplebucket.s3.amazonaws.com/test%24file.text"
    found = _signature("PUT", url, headers, b"Welcome to Amazon S3.")
    assert found == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"


def test_credentials_are_not_shown() -> None:
    assert "wJalr" not in repr(_EXAMPLE)
    assert "AKIA" not in repr(_EXAMPLE)
