"""What Google Cloud takes as names (its API references, and what the provider checks of them, read 2026-11)."""

from __future__ import annotations

from collections.abc import Mapping

from tests.clouds.names import NameRule

# Of Compute Engine, and of whatever follows RFC 1035.
ANY = NameRule(letters=r"[a-z]([a-z0-9-]*[a-z0-9])?", longest=63)
_CERTIFICATES = NameRule(letters=r"[A-Za-z][A-Za-z0-9_-]*", longest=64)
_KEYS = NameRule(letters=r"[A-Za-z0-9_-]+", longest=63)
_RUN = NameRule(letters=r"[a-z]([a-z0-9-]*[a-z0-9])?", longest=49)
NAMES: Mapping[str, NameRule] = {
    "gcp:serviceaccount/account:Account": NameRule(letters=r"[a-z]([a-z0-9-]*[a-z0-9])", shortest=6, longest=30),
    "gcp:storage/bucket:Bucket": NameRule(
        letters=r"(?!goog)(?!.*google)[a-z0-9][a-z0-9._-]*[a-z0-9]", shortest=3, longest=63
    ),
    "gcp:container/cluster:Cluster": NameRule(letters=r"[a-z]([a-z0-9-]*[a-z0-9])?", longest=40),
    "gcp:container/nodePool:NodePool": NameRule(letters=r"[a-z]([a-z0-9-]*[a-z0-9])?", longest=40, behind_long=9),
    "gcp:kms/keyRing:KeyRing": _KEYS,
    "gcp:kms/cryptoKey:CryptoKey": _KEYS,
    "gcp:memorystore/instance:Instance": NameRule(letters=r"[a-z]([a-z0-9-]*[a-z0-9])?", shortest=4, longest=63),
    "gcp:secretmanager/secret:Secret": NameRule(letters=r"[A-Za-z0-9_-]+", longest=255),
    "gcp:certificatemanager/certificate:Certificate": _CERTIFICATES,
    "gcp:certificatemanager/certificateMap:CertificateMap": _CERTIFICATES,
    "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry": _CERTIFICATES,
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": _CERTIFICATES,
    "gcp:cloudrunv2/service:Service": _RUN,
    "gcp:cloudrunv2/job:Job": _RUN,
    "gcp:dns/recordSet:RecordSet": NameRule(letters=r"([a-z0-9_*-]+\.)+", longest=254),
}
