"""A key of Cloud KMS that a site's data is encrypted with, and who may use it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

# Other versions encrypt what is new, old ones read what there is.
ROTATION_SECONDS = 90 * 86_400
# Until a version that is given up is gone: nothing that it encrypted is readable after it.
DELETION_SECONDS = 30 * 86_400
USER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"


def encryption_key(
    name: str,
    ring: gcp.kms.KeyRing,
    users: Mapping[str, pulumi.Input[str]],
    *,
    protected: bool,
    opts: pulumi.ResourceOptions,
) -> tuple[gcp.kms.CryptoKey, list[gcp.kms.CryptoKeyIAMMember]]:
    """The key, and the right of each user (a member of IAM, by what it is called here). Whatever is encrypted with it
    must come after these rights: nothing else tells it to wait."""
    key = gcp.kms.CryptoKey(
        name,
        key_ring=ring.id,
        purpose="ENCRYPT_DECRYPT",
        rotation_period=f"{ROTATION_SECONDS}s",
        destroy_scheduled_duration=f"{DELETION_SECONDS}s",
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=protected)),
    )
    granted = [
        gcp.kms.CryptoKeyIAMMember(f"{name}-{user}", crypto_key_id=key.id, role=USER, member=member, opts=opts)
        for user, member in users.items()
    ]
    return key, granted
