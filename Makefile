# Every target is one line of something a person could type. `make` alone lists them.
# PROFILE=name works on a stack of that name, beside the default one.
PROFILE ?= default
# RABBITMQ=4.0 POSTGRES=15 makes a new profile on servers of these versions, from Debian's archive.
export PROFILE RABBITMQ POSTGRES
# Each start of a service and each run of the tests would compile the same sources again.
unexport PYTHONDONTWRITEBYTECODE

bin := .venv/bin
quick_tests := $(addprefix libs/,contracts messaging pricing resilience storage telemetry) \
  $(addprefix services/,session billing gateway) clients/python
measured := $(addprefix atelier_,contracts messaging pricing resilience storage telemetry session billing gateway)
is_set_up = @test -x $(bin)/atelier || { echo "Nothing is set up here yet: make up" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help setup up down status logs clean demo test console-check quick test-diffusers check coverage bench matrix chaos explore format pin-images

help: ## list these targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing (Debian or Ubuntu); says what: RABBITMQ=4.0 POSTGRES=15 for servers of these versions
	@deploy/local/bootstrap.sh
	@$(if $(RABBITMQ)$(POSTGRES),$(bin)/python -m atelier_local.server_versions.installation rabbitmq=$(RABBITMQ) postgres=$(POSTGRES))

up: setup ## start the stack and wait until it is ready
	@$(bin)/atelier up

down: ## stop the stack; the data stays
	$(is_set_up)
	@$(bin)/atelier down

status: ## show each part of the stack
	$(is_set_up)
	@$(bin)/atelier status

logs: ## follow the logs of all parts
	$(is_set_up)
	@$(bin)/atelier logs

clean: ## stop the stack and delete its data
	$(is_set_up)
	@$(bin)/atelier clean

demo: setup ## one try-on from photographs to receipt: PERSON=a.jpg GARMENT=b.jpg
	@$(bin)/atelier demo

test: ## every test, on a stack of its own
	@deploy/local/bootstrap.sh --tests
	@$(bin)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder

console-check: ## twenty questions of an operator at the console, with a browser: some minutes
	@deploy/local/bootstrap.sh --tests
	@ATELIER_CONSOLE_QUESTIONS=all $(bin)/python -m pytest -q services/gateway/tests/surfaces/console \
	  tests-e2e/test_console_questions.py tests-e2e/test_console.py tests-e2e/test_console_faults.py

quick: setup ## format, lint, and the tests that need no server: under a minute
	@$(bin)/ruff format --check --quiet . && $(bin)/ruff check --quiet .
	@$(bin)/python -m pytest -n 2 --dist loadscope -q -m "not stack" -p no:cacheprovider -p no:schemathesis $(quick_tests)

test-diffusers: ## the self-hosted model's tests, with PyTorch in an environment of their own (.run/diffusers)
	@deploy/local/test_diffusers.sh

check: setup ## format, lint, types, each package's own tests, schemas, paths in the READMEs
	@deploy/check.sh

coverage: setup ## lines and branches that the tests without a server run (make quick's), a row per package: some minutes
	@status=0; $(bin)/python -m pytest -n 2 --dist loadscope -q -m "not stack" -p no:cacheprovider --cov-config pyproject.toml \
	  $(foreach package,$(measured),--cov $(package)) --cov-report= $(quick_tests) || status=$$?; \
	  $(bin)/python deploy/checks/coverage_table.py $(measured); exit $$status

bench: setup ## generations a second beside floors and other builds: REVISION=commit CONTROL=1 QUICK=1 DOCS=1
	@$(bin)/atelier bench $(addprefix --revision ,$(REVISION)) $(if $(CONTROL),--control) $(if $(TRACED),--traced) \
	  $(if $(CAPPED),--capped) $(if $(NO_RECEIPTS),--no-receipts) $(if $(GROWN),--grown $(GROWN)) $(if $(QUICK),--quick) $(if $(DOCS),--docs docs/operations)
	@$(if $(QUICK),,$(bin)/python -m atelier_local.bench.public_events)
	@$(if $(QUICK),,$(bin)/python -m atelier_render.claim_bench)
	@$(if $(QUICK),,$(bin)/python -m atelier_billing.ledger_bench)

matrix: setup ## the tests that depend on RabbitMQ and Postgres, on six combinations of versions (hours): ONLY=4.3/15
	@$(bin)/python -m atelier_local.server_versions.matrix $(ONLY)

chaos: setup ## every fault under load, then every invariant (minutes): SEED=n ONLY=broker_node SESSIONS=10000 KILLS=500 REPLICAS=1
	@deploy/local/bootstrap.sh --tests
	@PYTHONPATH=tests-e2e $(bin)/python -m chaos $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) \
		$(if $(SESSIONS),--generations $(SESSIONS)) $(if $(KILLS),--kills $(KILLS)) $(if $(REPLICAS),--replicas)

explore: setup ## what `make test` does in seconds, for minutes: orders, schedules, batches, removed guards, requests, alerts, an upgrade
	@PYTHONPATH=tests-e2e $(bin)/python -m chaos.explore
	@ATELIER_EXPLORE_EXAMPLES=$${EXAMPLES:-200} $(bin)/python -m pytest services/billing/tests/test_books_machine.py --timeout 1800
	@PYTHONPATH=tests-e2e $(bin)/python -m chaos.simulation 0 100
	@PYTHONPATH=tests-e2e $(bin)/python -m chaos.mutants
	@ATELIER_EXPLORE_EXAMPLES=$${EXAMPLES:-50} $(bin)/python -m pytest tests-e2e/test_openapi.py --timeout 1800
	@deploy/local/bootstrap.sh --tests
	@ATELIER_ALERTS_ALL=yes $(bin)/python -m pytest tests-e2e/test_alerts_faults.py
	@$(bin)/python -m pytest tests-e2e/chaos/version_upgrade.py

format: setup ## rewrite the code as the checks want it
	@$(bin)/ruff format --quiet . && $(bin)/ruff check --quiet --fix .

pin-images: ## give each third-party image of compose its digest; needs Docker and a way to the registries
	@$(bin)/python deploy/checks/pin_images.py
