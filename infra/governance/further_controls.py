"""Controls of what is between systems and people: isolation, minimisation, who else, and incidents."""

from __future__ import annotations

from infra.governance.control import Control, Proof
from infra.governance.controls import AWS, CONTROLS, EVIDENCE, GATEWAYS, GOOGLE, PLACES, PODS, RUN

GOVERNANCE = "tests/unit/test_governance.py"

FURTHER = (
    Control(
        name="isolation",
        says="Everything is denied first; only gateways reach engines, nobody the API past the front door.",
        laws={"gdpr": "Art. 32(1)(b)", "hipaa": "164.312(e)(1)"},
        proofs=(
            Proof(
                resources=("kubernetes:networking.k8s.io/v1:NetworkPolicy *",),
                rules=("denied-first", "engines-by-gateways", "engines-ask-nobody", "no-metadata"),
                tests=(
                    f"{PODS}::test_k09_everything_is_denied_first",
                    f"{PODS}::test_k10_only_the_gateway_reaches_engines",
                    "tests/contracts/test_network_flows.py::test_what_can_be_reached_is_what_was_meant",
                ),
            ),
            Proof(
                resources=("aws:ec2/securityGroup:SecurityGroup *", "aws:s3/bucketPublicAccessBlock:* *"),
                rules=("private", "buckets"),
                tests=(f"{AWS}::test_a05_nobody_comes_in_but_by_http_and_https",),
            ),
            Proof(
                resources=("gcp:compute/firewall:Firewall *-nobody",),
                rules=("google-private",),
                tests=(f"{GOOGLE}::test_g01_nobody_comes_in_from_outside_of_the_network",),
            ),
            Proof(
                resources=("gcp:compute/firewall:Firewall *-nothing-else", "gcp:cloudrunv2/service:Service *"),
                rules=("run-leaves",),
                tests=(f"{RUN}::test_only_what_the_gateways_file_names_leaves",),
            ),
            Proof(
                resources=GATEWAYS[2:],
                tests=("tests/local/test_generations.py::test_files_and_folders_are_for_this_user_only",),
            ),
        ),
    ),
    Control(
        name="minimisation",
        says="Personal data is looked for as was decided for each client; no prompt is in a log, a metric or a trace.",
        laws={"gdpr": "Art. 5(1)(c)", "hipaa": "164.502(b)"},
        fact="privacy",
        proofs=(
            Proof(
                resources=GATEWAYS,
                tests=(
                    "tests/serving/test_gateway_privacy.py::"
                    "test_tokenise_hides_values_from_the_engine_and_restores_them",
                    "tests/serving/test_gateway_privacy_closed.py::test_size_and_time_limits_refuse",
                    "tests/faults/test_24_canary_sweep.py::test_no_key_and_no_prompt_is_found_anywhere",
                ),
            ),
        ),
    ),
    Control(
        name="sub-processors",
        says="With everybody else who processes data there is an agreement; nobody else is asked.",
        laws={"gdpr": "Art. 28", "hipaa": "164.308(b)(1)"},
        fact="processors",
        declared=True,
        proofs=(
            Proof(
                resources=(*PLACES, *GATEWAYS[:2]),
                tests=(f"{GOVERNANCE}::test_whoever_else_gets_data_needs_an_agreement",),
            ),
        ),
    ),
    Control(
        name="covered services",
        says="Of a cloud only services that an agreement covers, or that see nothing of a request.",
        laws={"hipaa": "164.308(b)(1)"},
        fact="services",
        declared=True,
        proofs=(
            Proof(
                resources=("aws:* *", "gcp:* *", "pulumi:providers:kubernetes *", GATEWAYS[2]),
                tests=(
                    f"{GOVERNANCE}::test_a_service_that_no_list_has_is_refused",
                    f"{EVIDENCE}::test_every_type_is_of_a_service_that_its_platform_names",
                ),
            ),
        ),
    ),
    Control(
        name="incidents",
        says="A client, a key, a model or a route is blocked by one command, without a deployment; somebody is called.",
        laws={"gdpr": "Art. 33", "hipaa": "164.308(a)(6)(ii)"},
        proofs=(
            Proof(
                resources=(
                    "kubernetes:apps/v1:Deployment *-gateway",
                    "kubernetes:monitoring.coreos.com/v1:PrometheusRule *",
                    "aws:amp/ruleGroupNamespace:RuleGroupNamespace *",
                    GATEWAYS[2],
                ),
                tests=(
                    "tests/serving/test_gateway_contained.py::test_whoever_is_contained_is_refused_without_a_restart",
                    "tests/unit/test_monitoring.py::test_misuse_calls_somebody",
                ),
            ),
        ),
    ),
)
EVERY = (*CONTROLS, *FURTHER)
