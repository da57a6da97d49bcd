# What a person types. Nothing to install first: each target installs what it needs, and returns at once if it is there.

STACK ?= dev
FORMAT ?= text
AGAINST ?=
SITE ?=
ONLY ?=
OUT ?=
SECONDS ?= 4
ROUNDS ?= 5
DAYS ?= 4
PYTHON := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help up down fleet bundle trial records calibrate optimise refresh release evidence test test-compiled test-faults test-slow test-engine test-cluster check plan doctor render scan schema lock clean python cli bench-gateway bench-sizing bench-plan bench-autoscaling pin-images

help: ## print this
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1	/p' Makefile | while IFS='	' read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

up: ## bring the stack up and print endpoint, key and a curl (STACK=dev)
	@tools/up "$(STACK)"

down: ## take the stack down (STACK=dev)
	@tools/down "$(STACK)"

fleet: ## change the sites of a stack that are a stack each, ring by ring (STACK=edge ONLY=site; ARGS="--plan", "--again" or "--down")
	@tools/fleet/fleet "$(STACK)" $(if $(ONLY),--only "$(ONLY)") $(ARGS)

bundle: ## write one signed archive with all that a site without internet needs (STACK=edge SITE=site OUT=file; ARGS="--key FILE")
	@tools/bundle/bundle "$(STACK)" "$(SITE)" $(if $(OUT),--out "$(OUT)") $(ARGS)

plan: ## show what the stack would deploy, without the Pulumi CLI (STACK=dev FORMAT=text|json|markdown|html|svg)
	@tools/python/install local
	@$(PYTHON) -m infra plan --stack "$(STACK)" --format "$(FORMAT)" $(if $(AGAINST),--against "$(AGAINST)")

doctor: ## tell what is missing where the stack would be deployed; nothing is changed (STACK=dev FORMAT=text|json)
	@tools/stack/packages "$(STACK)"
	@$(PYTHON) -m infra doctor --stack "$(STACK)" --format "$(FORMAT)"

render: ## write the stack's Kubernetes objects and cloud resources as files, without credentials (STACK=dev OUT=.slipway/rendered/STACK)
	@tools/stack/packages "$(STACK)"
	@$(PYTHON) -m infra render --stack "$(STACK)" --out "$(or $(OUT),.slipway/rendered/$(STACK))"

evidence: ## list each control of the stack, the resources that make it so, and what shows it (STACK=dev FORMAT=text|json|markdown|html)
	@tools/stack/packages "$(STACK)"
	@$(PYTHON) -m infra evidence --stack "$(STACK)" --format "$(FORMAT)"

scan: ## look over what the stack would make with checkov and Kubernetes' schemas (STACK=dev; installs them on first use, 600 MB)
	@tools/stack/packages "$(STACK)"
	@$(PYTHON) -m tools.scanners.scan --stack "$(STACK)"

trial: ## try the models of a stack that is up: evaluations, load tests; records in .slipway/records; the harness is installed on first use, 600 MB (STACK=dev ONLY=model/trial ARGS="--context NAME")
	@tools/stack/packages "$(STACK)"
	@tools/trials/trial --stack "$(STACK)" $(if $(ONLY),--only "$(ONLY)") $(ARGS)

records: ## what was tried of a stack's models, and made of them (STACK=dev FORMAT=text|json|html)
	@tools/stack/packages "$(STACK)"
	@$(PYTHON) -m infra records --stack "$(STACK)" --format "$(FORMAT)"

calibrate: ## print what the last load test measured, for the stack file, beside the plan's estimate (STACK=dev ONLY=model/load; ARGS="--record FILE")
	@tools/trials/calibrate --stack "$(STACK)" $(if $(ONLY),--only "$(ONLY)") $(ARGS)

optimise: ## make and judge the smaller versions that models of a stack declare (STACK=dev ONLY=model ARGS="--context NAME")
	@tools/stack/packages "$(STACK)"
	@tools/making/optimise --stack "$(STACK)" $(if $(ONLY),--only "$(ONLY)") $(ARGS)

refresh: ## teach models of a stack what their data says, where it has changed (STACK=dev ONLY=model ARGS="--context NAME")
	@tools/stack/packages "$(STACK)"
	@tools/making/refresh --stack "$(STACK)" $(if $(ONLY),--only "$(ONLY)") $(ARGS)

release: ## judge the releases of a stack of this machine, or show those of a cluster (STACK=dev; ARGS="--promote", "--abort", "--pause")
	@tools/stack/packages "$(STACK)"
	@tools/releases/release --stack "$(STACK)" $(ARGS)

test: python cli ## run all tests (ARGS="-k name" goes to pytest)
	@PATH="$$(tools/pulumi/install):$$PATH" $(PYTHON) -m pytest $(ARGS)

test-compiled: python ## run the gateway's tests on the compiled gateway, as the container runs it
	@SLIPWAY_SERVING="$$(tools/serving/compile)" $(PYTHON) -m pytest tests/serving -k "not bench" $(ARGS)

test-faults: python ## run the fault experiments at their full size, on the compiled gateway (some 15 min)
	@FAULTS_FULL=1 SLIPWAY_SERVING="$$(tools/serving/compile)" $(PYTHON) -m pytest tests/faults $(ARGS)

test-slow: python cli ## run what takes minutes and gigabytes: a model is really taught, and asked by EleutherAI's harness (7 GB)
	@SLIPWAY_SLOW=1 PATH="$$(tools/pulumi/install):$$PATH" $(PYTHON) -m pytest tests/tuning tests/evaluations $(ARGS)

test-engine: python cli ## run the tests that go through the real Pulumi CLI: stacks on this machine, on clusters, on stand-ins of clouds
	@PATH="$$(tools/pulumi/install):$$PATH" $(PYTHON) -m pytest tests/engine tests/clouds $(ARGS)

test-cluster: python cli ## run the tests on a real Kubernetes control plane (built from its Go modules on first use, some 11 min)
	@tools/kubernetes/install >/dev/null
	@PATH="$$(tools/pulumi/install):$$PATH" $(PYTHON) -m pytest tests/cluster $(ARGS)

check: python ## run everything that needs no deployment: lint, format, types, schema, reference, hosts, scripts, workflows, Dockerfile
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m basedpyright --level error
	@$(PYTHON) -m infra schema --check
	@$(PYTHON) -m infra reference --check
	@tools/check/hosts
	@tools/check/scripts
	@tools/check/workflows
	@tools/check/dockerfile

bench-gateway: python ## measure the gateway beside nginx, to .bench/gateway.json (SECONDS=4 ROUNDS=5 PLOT=file.svg)
	@$(PYTHON) -m bench.gateway --seconds $(SECONDS) --rounds $(ROUNDS) $(if $(PLOT),--plot $(PLOT))

bench-plan: python ## measure a plan of 200 models over 1,000 sites, to .bench/plan.json (ROUNDS=5 PLOT=file.svg)
	@$(PYTHON) -m bench.plan --rounds $(ROUNDS) $(if $(PLOT),--plot $(PLOT))

bench-sizing: python ## score the sizing on measured points, to .bench/sizing.json (PLOT=docs/sizing.svg)
	@$(PYTHON) -m bench.sizing $(if $(PLOT),--plot $(PLOT))

bench-autoscaling: python ## simulate days of requests on replicas scaled by the plan and by others, to .bench/autoscaling.json (DAYS=4 PLOT=docs/autoscaling.svg)
	@$(PYTHON) -m bench.autoscaling --days $(DAYS) $(if $(PLOT),--plot $(PLOT))

schema: ## write infra/config.schema.json and docs/configuration.md again
	@tools/python/install local
	@$(PYTHON) -m infra schema --write
	@$(PYTHON) -m infra reference --write

pin-images: ## write the digests of the bases of images into the Dockerfile and the catalogue
	@tools/images/pin

lock: ## write requirements/*.txt again from pyproject.toml
	@tools/python/lock

clean: ## remove .venv, .tools and .slipway (refused while something is up)
	@tools/clean

python:
	@tools/python/install local dev kubernetes images policy aws gcp

cli:
	@tools/pulumi/install >/dev/null
