"""Every control. The numbers of laws are for finding the place: read the text before quoting it to an auditor."""

from __future__ import annotations

from infra.governance.control import Control, Proof

AWS, GOOGLE = "tests/contracts/test_aws_controls.py", "tests/contracts/test_gcp_controls.py"
RUN, PODS = "tests/contracts/test_cloud_run_controls.py", "tests/contracts/test_kubernetes_controls.py"
EVIDENCE = "tests/contracts/test_evidence.py"
AUDIT, CHAIN = "tests/serving/test_gateway_audit.py", "tests/serving/test_audit_chain.py"
# What gateways are told: a ConfigMap of a cluster, a secret of Cloud Run, a process of this machine.
GATEWAYS = (
    "kubernetes:core/v1:ConfigMap *-gateway-config",
    "gcp:secretmanager/secret:Secret *-secrets-gateway",
    "pulumi-python:dynamic/slipway:ProcessGroup *",
)
# What may answer for a place: where it is, as whose cloud, cluster or machine.
PLACES = ("pulumi:providers:aws *", "pulumi:providers:gcp *", "pulumi:providers:kubernetes *", GATEWAYS[2])

CONTROLS = (
    Control(
        name="region",
        says="Sites are in the regions that were named.",
        laws={"gdpr": "Art. 44", "hipaa": "164.308(a)(1)(ii)(B)"},
        fact="regions",
        declared=True,
        proofs=(Proof(resources=PLACES, tests=(f"{EVIDENCE}::test_a_cloud_is_asked_in_the_sites_own_region",)),),
    ),
    Control(
        name="boundary",
        says="Requests go only to places where their class of data may be.",
        laws={"gdpr": "Art. 25, 32(1)(b)", "hipaa": "164.312(a)(1)"},
        fact="boundaries",
        proofs=(
            Proof(
                resources=GATEWAYS,
                tests=(
                    "tests/serving/test_gateway_routing.py::test_restricted_data_never_leaves_its_boundary",
                    "tests/unit/test_places.py::test_only_clients_whose_data_may_leave_overflow",
                ),
            ),
        ),
    ),
    Control(
        name="encryption at rest",
        says="What is kept is encrypted, at clouds with keys of one's own that change.",
        laws={"gdpr": "Art. 32(1)(a)", "hipaa": "164.312(a)(2)(iv)"},
        proofs=(
            Proof(
                resources=(
                    "aws:kms/key:Key *",
                    "aws:s3/bucketServerSideEncryptionConfiguration:* *",
                    "aws:efs/fileSystem:FileSystem *",
                    "aws:eks/cluster:Cluster *",
                    "aws:elasticache/replicationGroup:ReplicationGroup *",
                    "aws:cloudwatch/logGroup:LogGroup *",
                ),
                rules=("encrypted", "buckets"),
                tests=(
                    f"{AWS}::test_a03_secrets_of_the_cluster_have_a_key_of_their_own",
                    f"{AWS}::test_a05_machines_are_private_spread_and_encrypted",
                    f"{AWS}::test_a07_weights_and_audit_have_a_key_of_ours",
                ),
            ),
            Proof(
                resources=("gcp:container/cluster:Cluster *", "gcp:kms/cryptoKey:CryptoKey *-keys-*"),
                rules=("google-encrypted",),
                tests=(f"{GOOGLE}::test_a03_everything_is_encrypted_with_keys_of_ours_that_change",),
            ),
            Proof(
                resources=("gcp:cloudrunv2/service:Service *", "gcp:kms/cryptoKey:CryptoKey *-keys"),
                rules=("google-encrypted", "run-encrypted"),
                tests=(f"{RUN}::test_everything_that_is_kept_has_the_sites_key",),
            ),
            Proof(resources=GATEWAYS, tests=(f"{AUDIT}::test_no_key_and_no_prompt_in_any_byte_of_the_audit",)),
        ),
    ),
    Control(
        name="encryption in transit",
        says="TLS from clients to gateways and from gateways to engines; plain HTTP only redirects.",
        laws={"gdpr": "Art. 32(1)(a)", "hipaa": "164.312(e)(1)"},
        fact="endpoints",
        proofs=(
            Proof(
                resources=(
                    "aws:lb/listener:Listener *",
                    "kubernetes:gateway.networking.k8s.io/v1:Gateway *",
                    "kubernetes:networking.k8s.io/v1:Ingress *",
                ),
                rules=("tls", "plain-redirects"),
                tests=(f"{PODS}::test_k24_nothing_is_served_in_plain",),
            ),
            Proof(
                resources=("gcp:compute/targetHttpsProxy:TargetHttpsProxy *",),
                tests=(f"{RUN}::test_the_door_speaks_tls_alone",),
            ),
            Proof(
                resources=("pulumi-python:dynamic/slipway:ServerCertificate *",),
                tests=("tests/serving/test_gateway_engine_tls.py::test_nothing_is_sent_to_whoever_cannot_show_it",),
            ),
            Proof(
                resources=GATEWAYS[2:],
                tests=("tests/serving/test_gateway_tls.py::test_old_versions_and_weak_ciphers_are_refused",),
            ),
        ),
    ),
    Control(
        name="access log",
        says="Each request leaves a row: who asked what of which model, and what was decided.",
        laws={"gdpr": "Art. 30, 5(2)", "hipaa": "164.312(b)"},
        fact="audit",
        proofs=(
            Proof(
                resources=GATEWAYS,
                tests=(
                    f"{AUDIT}::test_every_request_leaves_a_row_with_its_facts",
                    "tests/faults/test_18_audit_disk_full.py::test_a_full_disk_stops_new_requests_and_loses_no_row",
                ),
            ),
            Proof(
                resources=(
                    "aws:cloudwatch/logGroup:LogGroup *",
                    "aws:ec2/flowLog:FlowLog *",
                    "aws:wafv2/webAclLoggingConfiguration:* *",
                    "aws:s3/bucketLogging:BucketLogging *",
                ),
                rules=("encrypted",),
                tests=(
                    f"{AWS}::test_a02_all_logs_of_the_control_plane_are_kept_encrypted",
                    f"{AWS}::test_a05_who_asked_whom_is_logged",
                ),
            ),
            Proof(
                resources=("gcp:compute/subnetwork:Subnetwork *",),
                tests=(f"{GOOGLE}::test_g04_policies_are_enforced_and_flows_logged",),
            ),
        ),
    ),
    Control(
        name="integrity",
        says="A row that is changed, removed or exchanged is found; nobody takes back a copy.",
        laws={"gdpr": "Art. 5(1)(f)", "hipaa": "164.312(c)(1)"},
        proofs=(
            Proof(
                resources=GATEWAYS,
                tests=(
                    f"{CHAIN}::test_a_change_of_any_byte_is_found_at_its_place",
                    f"{CHAIN}::test_deleted_swapped_repeated_and_cut_rows_are_found",
                ),
            ),
            Proof(
                resources=("aws:s3/bucketObjectLockConfiguration:* *",),
                rules=("buckets", "protected"),
                tests=(f"{AWS}::test_p02_nobody_takes_back_what_the_audit_says",),
            ),
            Proof(
                resources=("gcp:storage/bucket:Bucket *-buckets-audit",),
                rules=("google-kept", "protected"),
                tests=(f"{GOOGLE}::test_p02_nobody_takes_back_what_the_audit_says",),
            ),
            Proof(
                resources=("gcp:storage/bucketIAMMember:BucketIAMMember *-audit-puts",),
                rules=("google-kept",),
                tests=(f"{RUN}::test_nobody_takes_the_audit_back",),
            ),
        ),
    ),
    Control(
        name="retention",
        says="What is recorded is kept for as long as was said, and then goes.",
        laws={"gdpr": "Art. 5(1)(e)", "hipaa": "164.316(b)(2)(i)"},
        fact="retention",
        proofs=(
            Proof(
                resources=GATEWAYS,
                tests=(f"{CHAIN}::test_retention_deletes_old_segments_and_verify_accepts_it",),
            ),
            Proof(
                resources=("aws:s3/bucketLifecycleConfiguration:* *", "aws:cloudwatch/logGroup:LogGroup *"),
                tests=(f"{AWS}::test_a07_buckets_are_private_versioned_logged_and_over_tls",),
            ),
        ),
    ),
    Control(
        name="erasure",
        says="A person's text becomes unreadable by destroying one key; chain and rows stay.",
        laws={"gdpr": "Art. 17", "hipaa": "164.310(d)(2)(i)"},
        fact="erasure",
        proofs=(
            Proof(
                resources=GATEWAYS,
                tests=(f"{AUDIT}::test_encrypted_text_is_shown_with_the_keys_and_gone_after_erase",),
            ),
        ),
    ),
    Control(
        name="authentication",
        says="Nobody is answered without a key, and no key is in a log, an error or the state in plain.",
        laws={"gdpr": "Art. 32(1)(b)", "hipaa": "164.312(d)"},
        proofs=(
            Proof(
                resources=(
                    "kubernetes:core/v1:Secret *-client-keys",
                    "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass *",
                    "pulumi-python:dynamic/slipway:ClientKey *",
                ),
                rules=("secrets-are-files", "run-secrets"),
                tests=(
                    "tests/faults/test_16_forged_credentials.py::test_forged_credentials_get_one_constant_401",
                    "tests/faults/test_24_canary_sweep.py::test_no_key_and_no_prompt_is_found_anywhere",
                ),
            ),
        ),
    ),
    Control(
        name="least privilege",
        says="Nobody may do everything; each workload is somebody of its own with what it uses.",
        laws={"gdpr": "Art. 25(2)", "hipaa": "164.312(a)(1)"},
        proofs=(
            Proof(
                resources=("aws:iam/role:Role *", "aws:iam/rolePolicy:RolePolicy *"),
                rules=("no-wildcard",),
                tests=(f"{AWS}::test_a06_no_right_is_wider_than_aws_forces",),
            ),
            Proof(
                resources=("gcp:*IamMember:* *", "gcp:*IAMMember:* *", "gcp:serviceaccount/account:Account *"),
                rules=("google-narrow",),
                tests=(f"{GOOGLE}::test_g06_no_role_is_wide_and_nobody_has_a_key",),
            ),
            Proof(
                resources=("gcp:cloudrunv2/service:Service *",),
                rules=("run-callers",),
                tests=(f"{RUN}::test_each_account_has_just_what_it_uses",),
            ),
            Proof(
                resources=(
                    "kubernetes:core/v1:ServiceAccount *",
                    "kubernetes:rbac.authorization.k8s.io/v1:Role *",
                ),
                rules=("own-accounts", "roles-say-what", "tokens-are-used"),
                tests=(f"{PODS}::test_k12_roles_say_which_verbs_on_what",),
            ),
            Proof(
                resources=GATEWAYS[2:],
                tests=("tests/local/test_generations.py::test_files_and_folders_are_for_this_user_only",),
            ),
        ),
    ),
)
