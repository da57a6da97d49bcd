"""What a user writes about where a cluster's gateways find the hashes of clients' keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.addresses import KubernetesClass, KubernetesName
from infra.plan.client_keys import ClientKeySource, KeysByDriver, KeysInSecret, KeysInStore, KeysOfStack
from infra.settings import Settings

# An entry is a client: its value has one line for each key, the key's SHA-256 in hexadecimal, then, where the key
# ends, a space and when.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]+$", max_length=1024)]


class FromStackSettings(Settings):
    """The stack's own."""

    kind: Literal["stack"] = Field(description="Keys of `slipway:client_keys`, and made for all other clients.")

    @property
    def source(self) -> ClientKeySource:
        return KeysOfStack()


class FromSecretSettings(Settings):
    """A Secret that somebody else writes."""

    kind: Literal["secret"] = Field(description="A Secret in the namespace, one entry for each client.")
    name: KubernetesName = Field(description="Its name. An entry holds SHA-256 hashes of keys, one in each line.")

    @property
    def source(self) -> ClientKeySource:
        return KeysInSecret(name=self.name)


class FromStoreSettings(Settings):
    """A secret store, by the External Secrets operator."""

    kind: Literal["external_secret"] = Field(description="Copied from a store by the External Secrets operator.")
    store: KubernetesClass = Field(description="The store's name.")
    store_kind: Literal["ClusterSecretStore", "SecretStore"] = Field(
        default="ClusterSecretStore", description="Whether the store is the cluster's or the namespace's."
    )
    key: Text = Field(description="The store's entry: each of its properties is a client, with hashes of its keys.")
    refresh: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,4}[smh]$")] = Field(
        default="5m", description="How often it is looked at, such as `5m`."
    )

    @property
    def source(self) -> ClientKeySource:
        return KeysInStore(store=self.store, store_kind=self.store_kind, key=self.key, refresh=self.refresh)


class FromDriverSettings(Settings):
    """A secret store, by the Secrets Store CSI driver."""

    kind: Literal["csi"] = Field(description="Mounted by the Secrets Store CSI driver, never kept in the cluster.")
    provider: KubernetesClass = Field(description="The driver's provider, such as `vault`, `aws`, `gcp`.")
    parameters: dict[str, str] = Field(
        min_length=1,
        description="The provider's parameters, as its manual has them; they name one file for each client.",
    )

    @property
    def source(self) -> ClientKeySource:
        return KeysByDriver(provider=self.provider, parameters=dict(self.parameters))


ClientKeysSettings = Annotated[
    FromStackSettings | FromSecretSettings | FromStoreSettings | FromDriverSettings, Field(discriminator="kind")
]
