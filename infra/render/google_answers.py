"""What resources of Google Cloud would compute, as far as a program goes on with it. Of nobody's project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROJECT, NUMBER = "example-project", "123456789012"
# What a program asks without making anything.
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    # A zone of every name there is: the root.
    "gcp:dns/getManagedZones:getManagedZones": {"managedZones": [{"dnsName": ".", "name": "example"}]},
    "gcp:organizations/getProject:getProject": {"number": NUMBER},
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": {
        "emailAddress": f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
        "member": f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
    },
}
COMPUTED: Mapping[str, Mapping[str, Any]] = {
    "gcp:artifactregistry/repository:Repository": {"name": "images"},
    "gcp:cloudrunv2/service:Service": {"uri": "https://service.example.run.app"},
    "gcp:compute/globalAddress:GlobalAddress": {"address": "203.0.113.10"},
    "gcp:container/cluster:Cluster": {
        "endpoint": "198.51.100.2",
        "masterAuth": {"clusterCaCertificate": "a-certificate"},
    },
    "gcp:secretmanager/secretVersion:SecretVersion": {"version": "1"},
    "gcp:storage/hmacKey:HmacKey": {"accessId": "a-made-access-id", "secret": "a-made-secret"},
}


def computed(kind: str, name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a resource answers beside its inputs."""
    found: dict[str, Any] = {"name": inputs.get("name", name)}
    if kind == "gcp:serviceaccount/account:Account":
        email = f"{inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"
        found |= {"email": email, "member": f"serviceAccount:{email}"}
    if kind == "gcp:projects/serviceIdentity:ServiceIdentity":
        service = inputs["service"].partition(".")[0]
        found["member"] = f"serviceAccount:service-{NUMBER}@gcp-sa-{service}.iam.gserviceaccount.com"
    if kind == "gcp:container/cluster:Cluster":
        endpoint = {"endpoint": "gke-cluster.us-central1.gke.goog"}
        found["controlPlaneEndpointsConfig"] = {"dnsEndpointConfig": endpoint}
        found["privateClusterConfig"] = {**inputs["privateClusterConfig"], "privateEndpoint": "10.60.223.242"}
    if kind == "gcp:certificatemanager/dnsAuthorization:DnsAuthorization":
        record = {"name": f"_acme-challenge.{inputs['domain']}.", "type": "CNAME", "data": "proof.authorize.example."}
        found["dnsResourceRecords"] = [record]
    return {**found, **COMPUTED.get(kind, {})}
