"""Amazon Managed Grafana of a site: who signs in, what its role reads, what it costs, and the dashboards for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.__main__ import main
from infra.load import validate
from infra.plan.build import build_plan
from tests import iam
from tests.on_aws import GRAFANA, WORKSPACE, deployment, documents, inputs, only, platform, registrations

WITH = "no_way_out"
PROMETHEUS = "arn:aws:aps:us-east-1:123456789012:workspace/main-metrics-workspace"


def planned(workspace: dict[str, Any] | None) -> Any:
    content = deployment()
    platform(content)["prometheus_workspace"] = workspace
    return build_plan(validate(content, "prod", {}), "prod")


def test_people_sign_in_with_identity_center_and_in_groups_alone() -> None:
    seen = registrations(WITH)
    workspace = only(seen, "aws:grafana/workspace:Workspace")
    assert workspace["authenticationProviders"] == ["AWS_SSO"]
    assert (workspace["accountAccessType"], workspace["permissionType"]) == ("CURRENT_ACCOUNT", "CUSTOMER_MANAGED")
    assert workspace["grafanaVersion"] == "10.4"
    assert json.loads(workspace["configuration"])["plugins"] == {"pluginAdminEnabled": False}
    given = {one["role"]: one for one in inputs(seen, "aws:grafana/roleAssociation:RoleAssociation").values()}
    assert {role: one["groupIds"] for role, one in given.items()} == {
        "ADMIN": GRAFANA["administrators"],
        "VIEWER": GRAFANA["viewers"],
    }
    assert all("userIds" not in one for one in given.values())


def test_its_role_reads_metrics_of_one_workspace_and_nothing_else() -> None:
    seen = documents(registrations(WITH))
    (rights,) = [of for name, of in seen.items() if "grafana-reader policy" in name]
    for action in ("aps:QueryMetrics", "aps:GetLabels", "aps:GetSeries", "aps:GetMetricMetadata"):
        assert iam.allows([rights], action, PROMETHEUS)
        assert not iam.allows([rights], action, f"{PROMETHEUS}-2")
    for action in ("aps:RemoteWrite", "aps:DeleteWorkspace", "aps:PutRuleGroupsNamespace", "aps:ListWorkspaces"):
        assert not iam.allows([rights], action, PROMETHEUS)
    (trusted,) = [of for name, of in seen.items() if "grafana-reader assumeRolePolicy" in name]
    (statement,) = trusted["Statement"]
    assert statement["Principal"] == {"Service": "grafana.amazonaws.com"}
    # Nobody else's workspace takes it.
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}
    assert statement["Condition"]["StringLike"]["aws:SourceArn"].endswith(":123456789012:/workspaces/*")


def test_nobody_shows_what_nobody_asked_for() -> None:
    for variant in ("as_it_ships", "existing_network"):
        assert not [one for one in registrations(variant).seen if one.type.startswith("aws:grafana/")]


def test_who_uses_it_is_in_the_price_and_that_it_starts_empty_is_in_the_summary() -> None:
    plan = planned({"kind": "existing", "arn": WORKSPACE, "grafana": GRAFANA})
    found = {line.item: line.dollars_per_month.min for line in plan.price.lines}
    assert found["grafana_editor"] == pytest.approx(9, abs=0.01)
    assert found["grafana_viewer"] == pytest.approx(4 * 5, abs=0.01)
    said = plan.sites["main"].summary["metrics"]
    assert "3 groups of IAM Identity Center, once somebody has put in its data source and dashboards" in said
    assert not {"grafana_editor", "grafana_viewer"} & {line.item for line in planned({"kind": "new"}).price.lines}


def test_dashboards_are_written_for_who_puts_them_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    content = deployment()
    monkeypatch.setattr("infra.__main__.ROOT", tmp_path)

    def written() -> int:
        text = yaml.safe_dump({"config": {"slipway:deployment": content}})
        (tmp_path / "Pulumi.prod.yaml").write_text(text, encoding="utf-8")
        return main(["dashboards", "--stack", "prod", "--out", str(tmp_path / "out")])

    assert written() == 1
    assert "no site whose metrics anybody keeps" in capsys.readouterr().err
    platform(content)["prometheus_workspace"] = {"kind": "new"}
    assert written() == 0
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("slipway-*.json")}
    assert found == {f"main/slipway-{name}.json" for name in ("model", "gateway", "cost")}
    board = json.loads((tmp_path / "out/main/slipway-model.json").read_text(encoding="utf-8"))
    assert board["uid"] == "slipway-slipway-model"
    assert "vllm:kv_cache_usage_perc" in json.dumps(board)
    # Put in a second time, it is the same one.
    assert "id" not in board
