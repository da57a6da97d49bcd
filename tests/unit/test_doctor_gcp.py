"""Doctors of Google's platforms: they ask a Google of ours on the wire; each row green, and red with what to do."""

from __future__ import annotations

import copy
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.doctor import name_servers
from infra.doctor.finding import Finding, State
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import SitePlan
from infra.platforms.cloud_run.doctor import DOCTOR as CLOUD_RUN
from infra.platforms.gcp import project as asking
from infra.platforms.gcp.checks.quotas import UNLIMITED, dimensions_of, value_of
from infra.platforms.gcp.doctor import DOCTOR as GCP
from tests import on_google_project as google
from tests.google_api import TOKEN, Answer, GoogleApi, refuse
from tests.manifests import ROOT

OK, MISSING, LOOK, UNKNOWN = State.OK, State.MISSING, State.LOOK, State.UNKNOWN
PROJECTS = {"staging": "example-staging", "serverless": "example-serverless"}
REGIONS = {"staging": "us-central1", "serverless": "europe-west4"}
Deployment = dict[str, Any]


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Google but that of a test, and no credentials that the tests' own machine may have."""
    monkeypatch.setenv(asking.TOKEN_VARIABLE, TOKEN)
    monkeypatch.setattr(asking, "ORIGIN", f"http://127.0.0.1:{closed_port()}/{{api}}")
    monkeypatch.setattr(name_servers, "resolvers", list[tuple[str, int]])


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def planned(stack: str, change: Callable[[Deployment], None] = lambda deployment: None) -> SitePlan:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    deployment: Any = copy.deepcopy(yaml.safe_load(text)["config"]["slipway:deployment"])
    change(deployment)
    return build_plan(validate(deployment, stack, {}), stack).sites["main"]


def examined(
    monkeypatch: pytest.MonkeyPatch,
    answers: Mapping[str, Answer],
    stack: str = "staging",
    change: Callable[[Deployment], None] = lambda deployment: None,
) -> tuple[dict[str, Finding], GoogleApi]:
    """Rows by what they are about, of the site `main` in a project that lacks what `answers` say."""
    plan, doctor = planned(stack, change), {"staging": GCP, "serverless": CLOUD_RUN}[stack]
    with GoogleApi({**google.healthy(PROJECTS[stack], REGIONS[stack]), **answers}) as api:
        monkeypatch.setattr(asking, "ORIGIN", api.origin)
        rows = list(doctor.findings("main", plan))
    found = {row.what: row for row in rows}
    assert len(found) == len(rows)
    assert all(bool(row.remedy) == (row.state is not OK) for row in rows)
    return found, api


def wrong(found: Mapping[str, Finding]) -> dict[str, State]:
    """What is not green, but for name servers: no test asks the public."""
    return {what: row.state for what, row in found.items() if row.state is not OK and "name servers" not in what}


def test_a_project_that_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    found, api = examined(monkeypatch, {})
    assert not wrong(found)
    assert [*found] == [
        "credentials",
        "services of Google",
        "region us-central1",
        "zones",
        "machines gateway",
        "machines l4-1",
        "zone of llm.staging.example.com",
        "name servers of staging.example.com",
        "quota NVIDIA L4 GPUs",
        "quota N2 CPUs",
        "quota GPUs (all regions)",
        "quota CPUs (all regions)",
        "quota Networks",
        "quota Static addresses (global)",
    ]
    assert found["credentials"].found == "project example-staging, number 123456789012"
    assert found["zone of llm.staging.example.com"].found == "staging.example.com (staging)", "the nearest"
    assert found["quota Networks"].found == "5 allowed, 1 used by others, 1 needed"
    assert found["quota CPUs (all regions)"].found.startswith("no limit")
    assert api.paid_by == {"example-staging"}, "as deployments have it"
    assert "oauth2" not in str(api.asked)


def test_a_project_where_cloud_run_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = examined(monkeypatch, {}, "serverless")
    assert not wrong(found)
    assert [*found] == [
        "credentials",
        "services of Google",
        "region europe-west4",
        "zone of llm.example.com",
        "name servers of example.com",
        "quota NVIDIA L4 GPUs without zonal redundancy",
        "quota CPU (thousandths of a vCPU)",
        "quota Memory (bytes)",
        "quota Static addresses (global)",
    ]
    assert found["quota NVIDIA L4 GPUs without zonal redundancy"].found == (
        "3 allowed, what others use is not told, 2 needed"
    )


ME, SERVERLESS = PROJECTS["staging"], PROJECTS["serverless"]
LACKING: Mapping[str, tuple[str, Mapping[str, Answer], Mapping[str, State], str]] = {
    "a zone without the machine": (
        "staging",
        {google.compute(ME, "zones/us-central1-b/machineTypes/g2-standard-8"): refuse(404, "not found")},
        {"machines l4-1": LOOK},
        "is not offered in us-central1-b",
    ),
    "a zone without the card": (
        "staging",
        {google.compute(ME, "zones/us-central1-b/acceleratorTypes/nvidia-l4"): refuse(404, "not found")},
        {"machines l4-1": LOOK},
        "is not offered in us-central1-b",
    ),
    "no zone with the machine": (
        "staging",
        {
            google.compute(ME, f"zones/us-central1-{letter}/machineTypes/g2-standard-8"): refuse(404, "not found")
            for letter in "abc"
        },
        {"machines l4-1": MISSING},
        "gcloud compute machine-types list --filter=name=g2-standard-8",
    ),
    "a zone that is not there": (
        "staging",
        {google.compute(ME, "regions/us-central1"): {"zones": ["https://compute/zones/us-central1-a"]}},
        {"zone us-central1-b": MISSING},
        "name others below `zones`: us-central1-a",
    ),
    "a region that is not there": (
        "serverless",
        {google.compute(SERVERLESS, "regions/europe-west4"): refuse(404, "not found")},
        {"region europe-west4": MISSING},
        "correct `region`",
    ),
    "fewer GPUs than are needed": (
        "staging",
        google.quota(ME, google.L4, google.value(1, "us-central1", region="us-central1")),
        {"quota NVIDIA L4 GPUs": MISSING},
        "--quota-id=NVIDIA-L4-GPUS-per-project-region --dimensions=region=us-central1 --preferred-value=",
    ),
    "no GPU given at all": (
        "staging",
        google.quota(ME, google.L4, {"applicableLocations": ["us-central1"], "details": {}}),
        {"quota NVIDIA L4 GPUs": MISSING},
        "0 GPUs allowed, 0 used by others",
    ),
    "GPUs of all regions": (
        "staging",
        google.quota(ME, "GPUS-ALL-REGIONS-per-project", google.value(1)),
        {"quota GPUs (all regions)": MISSING},
        "--quota-id=GPUS-ALL-REGIONS-per-project --preferred-value=",
    ),
    "GPUs of Cloud Run": (
        "serverless",
        google.quota(SERVERLESS, google.CLOUD_RUN_L4, google.value(1, "europe-west4"), service=google.RUN),
        {"quota NVIDIA L4 GPUs without zonal redundancy": MISSING},
        "--service=run.googleapis.com --quota-id=NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion",
    ),
    "a service that nobody turns on": (
        "serverless",
        google.services(SERVERLESS, "run", "dns"),
        {"services of Google": MISSING},
        "gcloud services enable run.googleapis.com dns.googleapis.com --project=example-serverless",
    ),
    "the service that turns others on": (
        "staging",
        google.services(ME, "serviceusage", "dns"),
        {"services of Google": MISSING},
        "gcloud services enable serviceusage.googleapis.com --project=example-staging",
    ),
    "no zone for the name": (
        "staging",
        google.zones(ME, google.zone(ME, "inside", "staging.example.com.", visibility="private")),
        {"zone of llm.staging.example.com": MISSING},
        "no public managed zone that it is in",
    ),
    "a zone of another name": (
        "serverless",
        google.zones(SERVERLESS, google.zone(SERVERLESS, "example-com", "example.net.")),
        {"zone of llm.example.com": MISSING},
        "is the zone example.net, which this name is not in",
    ),
    "a zone that the public does not see": (
        "serverless",
        google.zones(SERVERLESS, google.zone(SERVERLESS, "example-com", "example.com.", visibility="private")),
        {"zone of llm.example.com": MISSING},
        "is private: no certificate would be issued",
    ),
    "the zone that is named": (
        "serverless",
        {f"dns/dns/v1/projects/{SERVERLESS}/managedZones/example-com": refuse(404, "not found")},
        {"zone of llm.example.com": MISSING},
        "the project has no managed zone example-com",
    ),
    "a project that goes": (
        "staging",
        {f"cloudresourcemanager/v1/projects/{ME}": {"projectNumber": "1", "lifecycleState": "DELETE_REQUESTED"}},
        {"project": MISSING},
        "is DELETE_REQUESTED",
    ),
    "a right to ask": (
        "staging",
        {google.compute(ME, "regions/us-central1"): refuse(403, "Required 'compute.regions.get' permission")},
        {"region and zones": UNKNOWN},
        "Required 'compute.regions.get' permission",
    ),
}


@pytest.mark.parametrize("case", LACKING)
def test_what_is_missing_is_the_one_row_that_is_not_green(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, answers, expected, said = LACKING[case]
    found, _ = examined(monkeypatch, answers, stack)
    assert wrong(found) == expected
    (what,) = expected
    assert said in f"{found[what].found} {found[what].remedy}"


def test_a_deployment_turns_on_what_is_off_but_for_what_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = examined(monkeypatch, google.services(ME, "dns", "container"))
    assert not wrong(found)
    assert found["services of Google"].found.endswith(
        "turned on by the first deployment: container.googleapis.com, dns.googleapis.com"
    )


def test_what_a_site_has_itself_it_need_not_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    card = google.with_card("nvidia-l4", 1)
    own = [google.machine("g2-standard-8", labels=google.OWN, **card) for _ in range(50)]
    others = [google.machine("g2-standard-8", **card), google.machine("n2-standard-16")]
    labelled = {"items": [{"name": "main-door-address-1", "labels": google.OWN}]}
    network = {"items": [{"name": "slipway-staging-main"}]}
    found, _ = examined(
        monkeypatch,
        {
            **google.machines(ME, *own, *others),
            google.compute(ME, "global/addresses"): labelled,
            google.compute(ME, "global/networks"): network,
        },
    )
    assert not wrong(found)
    assert ", 1 used by others" in found["quota NVIDIA L4 GPUs"].found
    assert ", 1 used by others" in found["quota GPUs (all regions)"].found
    assert ", 16 used by others" in found["quota N2 CPUs"].found
    assert ", 0 used by others" in found["quota Networks"].found
    assert ", 0 used by others" in found["quota Static addresses (global)"].found


def test_machines_count_by_how_they_are_bought_and_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def flexible(deployment: Deployment) -> None:
        deployment["sites"]["main"]["platform"]["nodes"] = {"purchase": ["flex_start", "on_demand"]}

    card = google.with_card("nvidia-l4", 2)
    found, _ = examined(
        monkeypatch,
        {
            **google.machines(
                ME,
                google.machine("g2-standard-24", scheduling={"provisioningModel": "SPOT"}, **card),
                google.machine("g2-standard-24", scheduling={"provisioningModel": "FLEX_START"}, **card),
                google.machine("g2-standard-24", scheduling={"preemptible": True}, **card),
                google.machine("g2-standard-24", scheduling={"provisioningModel": "STANDARD"}, **card),
                google.machine("g2-standard-24", zone="us-east1-b", **card),
                google.machine("g2-standard-24", status="TERMINATED", **card),
            ),
            **google.quota(ME, google.SPOT_L4, google.value(100, "us-central1")),
            **google.quota(ME, "CPUS-ALL-REGIONS-per-project", google.value(100)),
        },
        change=flexible,
    )
    assert not wrong(found)
    assert ", 6 used by others" in found["quota Preemptible NVIDIA L4 GPUs"].found
    assert ", 2 used by others" in found["quota NVIDIA L4 GPUs"].found
    assert ", 10 used by others" in found["quota GPUs (all regions)"].found, "in every region"
    for name in ("N2 CPUs", "CPUs (all regions)"):
        assert ", 0 used by others" in found[f"quota {name}"].found, "those with GPUs count their GPUs alone"


def test_without_a_quota_of_their_own_such_machines_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def flexible(deployment: Deployment) -> None:
        deployment["sites"]["main"]["platform"]["nodes"] = {"purchase": ["flex_start"]}

    nothing = {"applicableLocations": ["us-central1"], "details": {}}
    found, _ = examined(monkeypatch, google.quota(ME, google.SPOT_L4, nothing), change=flexible)
    assert wrong(found) == {"quota Preemptible NVIDIA L4 GPUs": LOOK}


@pytest.mark.parametrize(
    ("code", "rows", "expected"),
    [
        ("X-per-project", [google.value(3)], 3),
        ("X-per-project-region", [google.value(3, "europe-west1")], None),
        ("X-per-project-region", [google.value(3, "us-central1", "europe-west1")], 3),
        # What is said of the region itself wins over what is said of all others.
        ("X-per-project-region", [google.value(9, "us-central1"), google.value(3, region="us-central1")], 3),
        ("X-per-project-region", [google.value(3, region="europe-west1")], None),
        (
            "X-per-project-region gpu_family=H",
            [google.value(9, region="us-central1"), google.value(3, region="us-central1", gpu_family="H")],
            3,
        ),
        ("X-per-project-region gpu_family=H", [google.value(3, region="us-central1", gpu_family="B")], None),
        ("X-per-project-region", [google.value(-1, "us-central1")], UNLIMITED),
        ("X-per-project-region", [], None),
    ],
)
def test_the_value_that_fits_best_counts(code: str, rows: list[Any], expected: int | None) -> None:
    name, dimensions = dimensions_of(code, "us-central1")
    assert name == code.split()[0]
    assert value_of({"dimensionsInfos": rows}, dimensions, "us-central1") == expected


# Credentials.


def unreached(found: Mapping[str, Finding]) -> Finding:
    assert [*found] == ["credentials", "the rest"]
    assert {row.state for row in found.values()} == {MISSING, UNKNOWN}
    return found["credentials"]


def test_a_token_that_google_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(asking.TOKEN_VARIABLE, "another")
    row = unreached(examined(monkeypatch, {})[0])
    assert "invalid authentication credentials" in row.found
    assert "gcloud auth application-default login" in row.remedy
    assert "another" not in f"{row.found} {row.remedy}", "no token is printed"


def test_a_project_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"cloudresourcemanager/v1/projects/{ME}"
    row = unreached(examined(monkeypatch, {path: refuse(403, "The caller does not have permission")})[0])
    assert "The caller does not have permission" in row.found
    assert "roles/browser" in row.remedy


def test_without_a_network_one_row_says_so() -> None:
    row = unreached({row.what: row for row in GCP.findings("main", planned("staging"))})
    assert "googleapis.com" in row.remedy


def gcloud(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of any that is on this machine."""
    program = folder / "gcloud"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.delenv(asking.TOKEN_VARIABLE)


def test_the_token_is_that_of_the_application_default_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f'[ "$*" = "auth application-default print-access-token" ] && echo {TOKEN}'
    gcloud(tmp_path, script, monkeypatch)
    assert not wrong(examined(monkeypatch, {})[0])


def test_without_any_credentials_one_row_says_how_to_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gcloud(tmp_path, 'echo "ERROR: Your default credentials were not found." >&2; exit 1', monkeypatch)
    row = unreached(examined(monkeypatch, {})[0])
    assert "Your default credentials were not found." in row.found
    assert "gcloud auth application-default login" in row.remedy
    monkeypatch.setenv("PATH", "/nowhere")
    assert "`gcloud` gives no token" in unreached(examined(monkeypatch, {})[0]).found


def test_nothing_is_asked_before_a_deployment() -> None:
    assert list(GCP.before("main", planned("staging"))) == list(CLOUD_RUN.before("main", planned("serverless"))) == []


def test_planning_asks_nobody() -> None:
    modules = "infra.platforms.gcp.plan, infra.platforms.cloud_run.plan"
    program = f"import sys, {modules}; sys.exit('infra.platforms.gcp.project' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
