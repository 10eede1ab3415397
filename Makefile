# Livy Gateway: build, run and test. "make" or "make help" lists the targets.
SHELL := /bin/bash

GO      ?= go
TAGS    := nobadger,nomysql,nopgx
BIN     := bin/caddy
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X 'github.com/caddyserver/caddy/v2.CustomVersion=Livy Gateway $(VERSION) Caddy'
# The version is in LDFLAGS, so a checkout owned by somebody else builds as well.
GOBUILD := $(GO) build -buildvcs=false -trimpath -tags $(TAGS)

# xcaddy in PATH, or else compiled. v0.0.0 keeps it from looking for a published version of
# this module, which a network may not reach and an unpublished change does not have.
XCADDY        ?= $(shell command -v xcaddy || echo $(GO) run github.com/caddyserver/xcaddy/cmd/xcaddy@v0.4.5)
CADDY_VERSION  = $(shell $(GO) list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)

# The race detector needs cgo and a C compiler. RACE=0 turns it off.
RACE ?= $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo 1 || echo 0)
ifeq ($(RACE),1)
RACEFLAG := -race
else
# Compiled like the binary, so that Caddy is not compiled once more.
RACEFLAG := -trimpath
endif

# -count=1: what a test sees of the machine (engines, servers) is not in Go's test cache key.
TESTFLAGS := -tags $(TAGS) -count=1 -timeout 75m
UNIT       = ./...

.PHONY: torture fuzz help build xcaddy run test unit lint bench faults soak image engine clients console yarn kubernetes judge clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## build bin/caddy: Caddy with the livy modules
	@test -x $(BIN) || echo "building $(BIN); the first time Caddy's own packages take a few minutes"
	@mkdir -p bin
	$(GOBUILD) -ldflags "$(LDFLAGS)" -o $(BIN) ./cmd/xcaddy-build

xcaddy: ## build bin/caddy with xcaddy from this checkout, as users do
	XCADDY_GO_BUILD_FLAGS="-trimpath -tags=$(TAGS)" $(XCADDY) build $(CADDY_VERSION) --output $(BIN) \
	    --with github.com/livygateway/livygateway@v0.0.0=$(CURDIR)

run: ## quick start: engine, Redis, Caddy, a gateway and a token; Ctrl-C stops it all
	@scripts/run

# The integration tests drive bin/caddy as a separate process and do not link
# Caddy, so the detector would watch the tests alone. One package of them at a
# time: each keeps a small machine busy with Spark.
test: build ## all tests; what cannot run here is listed by name (REQUIRE=docker,redis,... makes that a failure)
	@test "$(RACE)" = 1 || echo "note: no C compiler found (or RACE=0): running without the race detector"
	@$(GO) run ./internal/testreport -- $(RACEFLAG) $(TESTFLAGS) $(UNIT) -- -C integration -p 1 $(TESTFLAGS) ./... \
	    -- -C docs/monitoring/generate $(TESTFLAGS) ./... -- -C deploy/helm/check $(TESTFLAGS) ./...

unit: ## unit tests only
	@test "$(RACE)" = 1 || echo "note: no C compiler found (or RACE=0): running without the race detector"
	@$(GO) run ./internal/testreport -- $(RACEFLAG) $(TESTFLAGS) $(UNIT)

torture: build ## kill Caddy, Redis and Livy under load for an hour, one of two instances 20 times; write a million records (about 80 minutes)
	LIVYGW_KILLS=100000 LIVYGW_KILL_FOR=60m $(GO) test -C integration $(TESTFLAGS) -timeout 80m -v -run TestKillAnything .
	LIVYGW_ROUNDS=20 $(GO) test -C integration $(TESTFLAGS) -v -run TestTwoInstances .
	LIVYGW_RECORDS=1000000 $(GO) test $(TESTFLAGS) -v -run TestScale ./internal/api

fuzz: ## hold policies against what Spark makes of requests made of nasty pieces (30 minutes; LIVYGW_FUZZ=4h)
	LIVYGW_FUZZ=$${LIVYGW_FUZZ:-30m} $(GO) test -C integration $(TESTFLAGS) -timeout 0 -v -run TestPoliciesHoldInSpark .

lint: ## formatters, golangci-lint, go vet, known vulnerabilities
	@scripts/lint

bench: build ## the gateway, bare Caddy, nginx, HAProxy and Envoy side by side (BENCHFLAGS=-quick, or -scale=some)
	@$(GO) run ./bench -binary $(BIN) $(BENCHFLAGS)

faults: build ## what clients see while Redis hangs, is killed or full, and beside 10,000 connections
	@$(GO) run ./bench/soak -binary $(BIN) -faults bench/results/faults.md

soak: build ## mixed load with reloads, resets of tokens, starts, stops and drains (60 minutes; LIVYGW_SOAK=5m)
	@$(GO) run ./bench/soak -binary $(BIN) -for $${LIVYGW_SOAK:-60m}

engine: ## prepare Livy and Spark for running without Docker
	@scripts/prepare-engine .run/engine

image: ## build the container image of Livy and Spark
	@scripts/build-engine-image

clients: ## prepare real clients for the integration tests: Airflow, sparkmagic, Livy's own and others
	@scripts/prepare-clients

console: ## prepare what checks the web console: the TypeScript compiler and axe-core
	@scripts/prepare-console

yarn: ## prepare a YARN on one machine for the integration tests
	@scripts/prepare-yarn

kubernetes: ## prepare a Kubernetes of one node for the integration tests
	@scripts/prepare-kubernetes

judge: ## prepare another Spark and a Java compiler, to ask Spark itself what reaches it
	@scripts/prepare-judge

clean: ## remove what was built; data of "make run" stays in .run
	rm -rf bin
