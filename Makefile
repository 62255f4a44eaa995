# `make help` lists the targets. Only Go is needed; what else a target can use is said where it is missing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO          ?= go
FUZZTIME    ?= 20s
GOFUMPT     := $(GO) run mvdan.cc/gofumpt@v0.12.0
STATICCHECK := $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X lmqgate/infra/telemetry.version=$(VERSION) -X lmqgate/infra/telemetry.commit=$(COMMIT)

# The race detector needs a C compiler.
CC_FOUND := $(shell command -v "$$($(GO) env CC | cut -d' ' -f1)" 2>/dev/null)
ifeq ($(CC_FOUND),)
RACE :=
else
RACE := -race
endif

# Which packages make test and make bench look at, and further flags: make test PKG=./infra/... TESTFLAGS='-run Redis'
PKG       ?= ./...
TESTFLAGS ?=
BENCHFLAGS ?=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## the binary, bin/lmqgate
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/lmqgate .

.PHONY: run
run: build ## the gateway, configured by the environment
	@exec bin/lmqgate

.PHONY: dev
dev: build ## the gateway with embedded Redis and RocketMQ and a talkative log
	@unset REDIS_URL NAMESRV_ADDR; LOG_LEVEL=debug LOG_FORMAT=text exec bin/lmqgate

.PHONY: test
test: bin/with-real bin/testsum ## all tests; REQUIRE_REAL=1 installs real servers and allows no skip
ifeq ($(CC_FOUND),)
	@echo "no C compiler found: tests run without the race detector"
endif
	@bin/with-real bin/testsum $(RACE) -timeout 20m $(TESTFLAGS) $(PKG)

.PHONY: unit
unit: bin/testsum ## tests that need only Go
	@bin/testsum $(RACE) -timeout 20m $(TESTFLAGS) $(filter-out lmqgate/e2e%,$(shell $(GO) list $(PKG)))

.PHONY: e2e
e2e: build bin/with-real bin/testsum ## the tests of the built binary only
	@bin/with-real bin/testsum -count=1 -timeout 20m $(TESTFLAGS) ./e2e/...

.PHONY: matrix
matrix: bin/with-real ## every clause of MQTT in every combination of transport, instances and state, and every kind of RocketMQ, with tables
	@$(GO) test -c -o bin/e2e.test ./e2e
	@cd e2e && LMQGATE_TEST_MATRIX=1 ../bin/with-real ../bin/e2e.test -test.run '^Test(Conformance|Brokers|SecuredRocketMQ)' -test.timeout 60m

.PHONY: chaos
chaos: ## disturbs fleets at random for CHAOS_TIME (10m) and judges what clients saw; CHAOS_SEED, CHAOS_FAULTS, CHAOS_WORLDS
	@$(GO) test -c $(RACE) -o bin/chaos.test ./e2e/chaos
	@cd e2e/chaos && REQUIRE_REAL=1 CHAOS_TIME=$${CHAOS_TIME:-10m} ../../bin/chaos.test -test.run '^TestChaos$$' -test.timeout 0

.PHONY: bench
bench: build bin/with-real ## the README's figures, on a real Redis and RocketMQ (BENCHFLAGS='-runs 1 -only latency')
	@$(GO) build -o bin/bench ./e2e/bench
	@REQUIRE_REAL=1 bin/with-real bin/bench $(BENCHFLAGS)

.PHONY: microbench
microbench: ## the packages' own benchmarks, with allocations
	@$(GO) test -run '^$$' -bench . -benchmem $(TESTFLAGS) $(PKG)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (20s)
	@GO='$(GO)' e2e/scripts/fuzz $(FUZZTIME) $(PKG)

.PHONY: fmt
fmt: ## format all Go files
	@$(GOFUMPT) -w .

.PHONY: lint
lint: ## formatting, vet, staticcheck, module file, import rules
	@GO='$(GO)' GOFUMPT='$(GOFUMPT)' STATICCHECK='$(STATICCHECK)' e2e/scripts/lint

.PHONY: vuln
vuln: ## known vulnerabilities in what the module is built of; says so where the database cannot be reached
	@GO='$(GO)' e2e/scripts/vuln

.PHONY: generate
generate: ## the README's table of variables and the table of metrics
	@$(GO) generate ./infra/config ./infra/gateway

.PHONY: ci
ci: ## what runs for every change: lint, then all tests with real servers
	@.ci/run

# Tools of this repository; make does not know their sources, the go command does.
.PHONY: bin/with-real bin/testsum
bin/with-real:
	@$(GO) build -o $@ ./e2e/parts/cmd/with-real
bin/testsum:
	@$(GO) build -o $@ ./e2e/scripts/testsum
