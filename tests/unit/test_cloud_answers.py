"""What a cloud computes stands beside what is given, and in it: nothing that is given is changed or lost."""

from __future__ import annotations

from copy import deepcopy

from infra.render.cloud_answers import asked, computed
from infra.render.made import Made, answered

GIVEN = {"a": {"b": {"given": 1}, "also": 2}, "c": 3}


def test_a_part_is_computed_within_what_is_given() -> None:
    given = deepcopy(GIVEN)
    made = Made(token="x:y:Z", id="1", called="one", inputs=given, place="here")
    found = answered(
        {"a.b.known": lambda one: one.called, "a.b.too": lambda one: one.place, "d.e": lambda one: one.id}, made
    )
    assert found == {"a": {"b": {"given": 1, "known": "one", "too": "here"}, "also": 2}, "d": {"e": "1"}}
    assert given == GIVEN


def test_what_is_of_no_cloud_is_answered_nothing() -> None:
    assert computed("kubernetes:core/v1:Secret", "one", "one-id", {}) == {}
    assert asked("kubernetes:helm.sh/v3:getChart", {}) == {}


def test_a_name_has_one_proof_whatever_stands_before_it() -> None:
    inputs = {"domainName": "*.example.com", "subjectAlternativeNames": ["example.com", "a.example.com"]}
    options = computed("aws:acm/certificate:Certificate", "one", "one-id", inputs)["domainValidationOptions"]
    assert [one["domainName"] for one in options] == ["a.example.com", "*.example.com"]
    assert all(one["resourceRecordName"].startswith("_") for one in options)


def test_things_have_arns_of_their_own_form() -> None:
    def arn(token: str, **inputs: object) -> str:
        return computed(token, "one", "one-id", inputs)["arn"]

    assert arn("aws:s3/bucket:Bucket") == "arn:aws:s3:::one"
    assert arn("aws:iam/role:Role", path="/slipway/") == "arn:aws:iam::123456789012:role/slipway/one"
    assert arn("aws:kms/key:Key") == "arn:aws:kms:us-east-1:123456789012:key/one"
    balancer = arn("aws:lb/loadBalancer:LoadBalancer", name="door")
    assert balancer.startswith("arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/door/")
