"""What the stand-in Google Cloud knows: ids in their real forms, which properties are names, and what replaces.

A type that is not listed is refused: what its id looks like is to be looked up first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from infra.render import google_answers
from infra.render.made import Answers, Inputs, made_up
from tests.clouds import gcp_names, managed_cluster
from tests.clouds.facts import Facts


def _below(service: str, form: str, /, **collections: str) -> dict[str, str]:
    """Of several types of a service, whose ids differ in the collection only."""
    return {f"{service}/{kind}:{kind[0].upper()}{kind[1:]}": form.format(many) for kind, many in collections.items()}


# By type, of its inputs, its project and its name; `…` is what only the cloud has counted or drawn. Forms are those of
# the provider's documentation ("Import").
IDS: Mapping[str, str] = {
    **_below(
        "certificatemanager",
        "projects/{{project}}/locations/global/{}/{{name}}",
        certificate="certificates",
        certificateMap="certificateMaps",
        dnsAuthorization="dnsAuthorizations",
    ),
    **_below(
        "compute",
        "projects/{{project}}/global/{}/{{name}}",
        backendService="backendServices",
        firewall="firewalls",
        globalAddress="addresses",
        globalForwardingRule="forwardingRules",
        network="networks",
        sSLPolicy="sslPolicies",
        securityPolicy="securityPolicies",
        targetHttpsProxy="targetHttpsProxies",
        uRLMap="urlMaps",
    ),
    **_below(
        "compute",
        "projects/{{project}}/regions/{{region}}/{}/{{name}}",
        regionNetworkEndpointGroup="networkEndpointGroups",
        router="routers",
        subnetwork="subnetworks",
    ),
    **_below("cloudrunv2", "projects/{{project}}/locations/{{location}}/{}/{{name}}", job="jobs", service="services"),
    "artifactregistry/repository:Repository": "projects/{project}/locations/{location}/repositories/{repositoryId}",
    "billing/budget:Budget": "billingAccounts/{billingAccount}/budgets/…",
    "certificatemanager/certificateMapEntry:CertificateMapEntry": "projects/{project}/locations/global/certificateMaps/"
    "{map}/certificateMapEntries/{name}",
    "compute/routerNat:RouterNat": "{project}/{region}/{router}/{name}",
    "container/cluster:Cluster": "projects/{project}/locations/{location}/clusters/{name}",
    "container/nodePool:NodePool": "projects/{project}/locations/{location}/clusters/{cluster}/nodePools/{name}",
    "dns/recordSet:RecordSet": "projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}",
    "kms/cryptoKey:CryptoKey": "{keyRing}/cryptoKeys/{name}",
    "kms/keyRing:KeyRing": "projects/{project}/locations/{location}/keyRings/{name}",
    "memorystore/instance:Instance": "projects/{project}/locations/{location}/instances/{instanceId}",
    "networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": "projects/{project}/locations/{location}/"
    "serviceConnectionPolicies/{name}",
    "projects/service:Service": "{project}/{service}",
    "projects/serviceIdentity:ServiceIdentity": "projects/{project}/services/{service}",
    "secretmanager/secret:Secret": "projects/{project}/secrets/{secretId}",
    "secretmanager/secretVersion:SecretVersion": "{secret}/versions/…",
    "serviceaccount/account:Account": "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount."
    "com",
    "storage/bucket:Bucket": "{name}",
    # Rights, by what they are on.
    "artifactregistry/repositoryIamMember:RepositoryIamMember": "projects/{project}/locations/{location}/repositories/"
    "{repository}/{role}/{member}",
    "cloudrunv2/serviceIamMember:ServiceIamMember": "projects/{project}/locations/{location}/services/{name}/{role}/"
    "{member}",
    "kms/cryptoKeyIAMMember:CryptoKeyIAMMember": "{cryptoKeyId}/{role}/{member}",
    "projects/iAMMember:IAMMember": "{project}/{role}/{member}",
    "secretmanager/secretIamMember:SecretIamMember": "{secretId}/{role}/{member}",
    "serviceaccount/iAMMember:IAMMember": "{serviceAccountId}/{role}/{member}",
    "storage/bucketIAMMember:BucketIAMMember": "b/{bucket}/{role}/{member}",
}
# Whose names are elsewhere, or who have none of their own.
NAMES = {
    "memorystore/instance:Instance": "instanceId",
    "serviceaccount/account:Account": "accountId",
    "secretmanager/secret:Secret": "secretId",
    "artifactregistry/repository:Repository": "repositoryId",
}
RIGHTS = frozenset(
    {"role", "member", "condition", "bucket", "secretId", "cryptoKeyId", "project", "repository", "name"}
    | {"serviceAccountId"}
)
REPLACING: Mapping[str, frozenset[str]] = {
    **{f"gcp:{kind}": RIGHTS for kind in IDS if "{member}" in IDS[kind]},
    "gcp:artifactregistry/repository:Repository": frozenset({"repositoryId", "location", "format", "kmsKeyName"}),
    "gcp:certificatemanager/certificate:Certificate": frozenset({"name", "managed", "scope"}),
    "gcp:certificatemanager/certificateMap:CertificateMap": frozenset({"name"}),
    "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry": frozenset({"name", "map", "hostname"}),
    "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": frozenset({"name", "domain"}),
    "gcp:cloudrunv2/job:Job": frozenset({"name", "location"}),
    "gcp:cloudrunv2/service:Service": frozenset({"name", "location"}),
    "gcp:compute/backendService:BackendService": frozenset({"name", "loadBalancingScheme"}),
    "gcp:compute/firewall:Firewall": frozenset({"name", "network", "direction"}),
    "gcp:compute/globalAddress:GlobalAddress": frozenset({"name", "addressType", "ipVersion"}),
    "gcp:compute/globalForwardingRule:GlobalForwardingRule": frozenset(
        {"name", "ipAddress", "ipProtocol", "loadBalancingScheme", "portRange"}
    ),
    "gcp:compute/network:Network": frozenset({"name", "autoCreateSubnetworks"}),
    "gcp:compute/router:Router": frozenset({"name", "network", "region"}),
    "gcp:compute/routerNat:RouterNat": frozenset({"name", "router", "region"}),
    "gcp:compute/subnetwork:Subnetwork": frozenset({"name", "network", "region"}),
    "gcp:container/cluster:Cluster": frozenset(
        {"name", "location", "network", "subnetwork", "ipAllocationPolicy", "networkingMode", "datapathProvider"}
    ),
    "gcp:container/nodePool:NodePool": frozenset({"name", "namePrefix", "cluster", "location"}),
    "gcp:dns/recordSet:RecordSet": frozenset({"name", "managedZone"}),
    "gcp:kms/cryptoKey:CryptoKey": frozenset({"name", "keyRing", "purpose", "destroyScheduledDuration"}),
    "gcp:kms/keyRing:KeyRing": frozenset({"name", "location"}),
    "gcp:memorystore/instance:Instance": frozenset(
        {"instanceId", "location", "kmsKey", "mode", "authorizationMode", "transitEncryptionMode"}
        | {"desiredAutoCreatedEndpoints", "zoneDistributionConfig"}
    ),
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": frozenset(
        {"name", "location", "network", "serviceClass"}
    ),
    "gcp:secretmanager/secret:Secret": frozenset({"secretId", "replication"}),
    "gcp:secretmanager/secretVersion:SecretVersion": frozenset({"secret", "secretData"}),
    "gcp:serviceaccount/account:Account": frozenset({"accountId"}),
    "gcp:storage/bucket:Bucket": frozenset({"name", "location"}),
}


def name_of(token: str) -> str | None:
    kind = token.removeprefix("gcp:")
    if "{member}" in IDS.get(kind, ""):
        return None
    return NAMES.get(kind) or ("name" if "{name}" in IDS.get(kind, "") else None)


def id_of(token: str, name: str, inputs: Inputs, place: str) -> str:
    form = IDS[token.removeprefix("gcp:")]
    seed = made_up(26, token, name, place, json.dumps(inputs, sort_keys=True))
    known = {"project": place, **inputs}
    if held := name_of(token):
        known[held] = FACTS.name(token, inputs, seed)
    drawn = str(1 + int(seed[:6], 16))
    found = form.format(**known).replace("…", drawn)
    # Two conditions are two rights.
    return f"{found}/{inputs['condition']['title']}" if "condition" in inputs else found


def called(token: str, given: str) -> str:
    """What stands in the id for it; its last part in most."""
    kind = token.removeprefix("gcp:")
    if kind == "dns/recordSet:RecordSet":
        return given.split("/")[-2]
    last = given.rpartition("/")[2]
    return last.partition("@")[0] if kind == "serviceaccount/account:Account" else last


def computed(token: str) -> Answers:
    """Its control plane is somewhere: an API server of the tests."""
    found = google_answers.computed(token)
    if token != managed_cluster.GKE.token:
        return found
    inside = "privateClusterConfig.privateEndpoint"
    return found | {
        inside: lambda made: (managed_cluster.server() or "").removeprefix("https://") or found[inside](made),
        "masterAuth.clusterCaCertificate": lambda made: managed_cluster.authority() or google_answers.AUTHORITY,
    }


FACTS = Facts(
    place="project",
    name_of=name_of,
    names=gcp_names.NAMES,
    any_name=gcp_names.ANY,
    id_of=id_of,
    called=called,
    computed=computed,
    asked=google_answers.ANSWERS,
    replacing=REPLACING,
    holds=frozenset(
        f"gcp:{kind}"
        for kind in (
            "compute/backendService:BackendService",
            "compute/network:Network",
            "compute/regionNetworkEndpointGroup:RegionNetworkEndpointGroup",
            "compute/securityPolicy:SecurityPolicy",
            "compute/sSLPolicy:SSLPolicy",
            "compute/subnetwork:Subnetwork",
            "compute/targetHttpsProxy:TargetHttpsProxy",
            "compute/uRLMap:URLMap",
            "certificatemanager/certificate:Certificate",
            "certificatemanager/dnsAuthorization:DnsAuthorization",
        )
    ),
    # A ring and its keys stay for ever; only versions of keys can be destroyed.
    kept=frozenset({"gcp:kms/keyRing:KeyRing", "gcp:kms/cryptoKey:CryptoKey"}),
    guarded={
        "gcp:container/cluster:Cluster": ("deletionProtection", True),
        "gcp:cloudrunv2/service:Service": ("deletionProtection", True),
        "gcp:cloudrunv2/job:Job": ("deletionProtection", True),
    },
)
