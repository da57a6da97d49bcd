"""What Google Cloud computes of what it makes, as far as a program goes on with it. Of nobody's project.

Forms are those of Google's documentation and of the provider's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from infra.render.made import Answers, Asked, Made, made_up

# Where something is that nobody has given a place.
PROJECT, NUMBER = "example-project", "123456789012"
AUTHORITY = base64.b64encode(b"a certificate of nobody").decode()


def computed(token: str) -> Answers:
    """Nothing for types of which a program needs nothing."""
    return _COMPUTED.get(token, {})


def _version(made: Made) -> str:
    """The number of a secret's version, which its id ends with: the first, where nobody has counted."""
    before, _, number = made.id.rpartition("/versions/")
    return number if before else "1"


def _email(made: Made) -> str:
    return f"{made.inputs['accountId']}@{made.place}.iam.gserviceaccount.com"


def _agent(made: Made) -> str:
    return f"service-{NUMBER}@gcp-sa-{made.inputs['service'].partition('.')[0]}.iam.gserviceaccount.com"


def _proof(made: Made) -> list[dict[str, str]]:
    domain = made.inputs["domain"]
    record = f"{made_up(32, domain)}.{made_up(2, domain, 'part')}.authorize.certificatemanager.goog."
    return [{"name": f"_acme-challenge.{domain}.", "type": "CNAME", "data": record}]


def _endpoints(made: Made) -> list[dict[str, Any]]:
    kinds = {"CONNECTION_TYPE_PRIMARY": "10.60.128.9", "CONNECTION_TYPE_READER": "10.60.128.10"}
    connections = [
        {"pscAutoConnection": {"connectionType": kind, "ipAddress": address}} for kind, address in kinds.items()
    ]
    return [{"connections": connections}]


def _authorities(made: Made) -> list[dict[str, Any]]:
    text = base64.b64decode(AUTHORITY).decode()
    return [{"caCerts": [{"certificates": [text]}]}]


_COMPUTED: Mapping[str, Answers] = {
    "gcp:artifactregistry/repository:Repository": {"name": lambda made: made.inputs["repositoryId"]},
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": {"dnsResourceRecords": _proof},
    "gcp:cloudrunv2/service:Service": {
        "uri": lambda made: f"https://{made.called}-{NUMBER}.{made.inputs['location']}.run.app"
    },
    "gcp:compute/haVpnGateway:HaVpnGateway": {
        "vpnInterfaces": lambda made: [{"id": place, "ipAddress": f"198.51.100.{place + 1}"} for place in range(2)]
    },
    "gcp:compute/address:Address": {"address": lambda made: "10.60.128.10"},
    "gcp:compute/globalAddress:GlobalAddress": {"address": lambda made: "203.0.113.10"},
    "gcp:container/cluster:Cluster": {
        "endpoint": lambda made: "198.51.100.2",
        "masterAuth.clusterCaCertificate": lambda made: AUTHORITY,
        "controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint": lambda made: (
            f"gke-{made_up(32, made.called)}-{NUMBER}.{made.inputs['location']}.gke.goog"
        ),
        "privateClusterConfig.privateEndpoint": lambda made: "10.60.223.242",
    },
    "gcp:memorystore/instance:Instance": {"endpoints": _endpoints, "managedServerCas": _authorities},
    "gcp:projects/serviceIdentity:ServiceIdentity": {
        "email": _agent,
        "member": lambda made: f"serviceAccount:{_agent(made)}",
    },
    "gcp:secretmanager/secretVersion:SecretVersion": {"version": _version},
    "gcp:serviceaccount/account:Account": {
        "email": _email,
        "member": lambda made: f"serviceAccount:{_email(made)}",
        "name": lambda made: f"projects/{made.place}/serviceAccounts/{_email(made)}",
        "uniqueId": lambda made: str(int(made_up(16, made.id), 16)),
    },
    "gcp:storage/bucket:Bucket": {"url": lambda made: f"gs://{made.called}"},
}
ANSWERS: Mapping[str, Asked] = {
    # A zone of every name there is: the root.
    "gcp:dns/getManagedZones:getManagedZones": lambda inputs, place: {
        "managedZones": [{"dnsName": ".", "name": "example"}]
    },
    "gcp:organizations/getProject:getProject": lambda inputs, place: {"number": NUMBER, "projectId": place},
    "gcp:storage/getProjectServiceAccount:getProjectServiceAccount": lambda inputs, place: {
        "emailAddress": f"service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
        "member": f"serviceAccount:service-{NUMBER}@gs-project-accounts.iam.gserviceaccount.com",
    },
}
