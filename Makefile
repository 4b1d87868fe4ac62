# portage: everything a contributor runs. `make` lists it.
GO ?= go

# The linter is pinned, so that a change of rules is a commit of ours.
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# The race detector needs a C compiler; without one the tests run all the same, and say so.
CC_FOUND := $(shell command -v $(firstword $(shell $(GO) env CC)) 2>/dev/null)
RACE := $(if $(CC_FOUND),-race)

# Most tests wait for clusters more than they compute, so packages share the cores.
AT_ONCE := $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((2 * n)))
# The longest go first, or one would be left alone at the end.
LONGEST := ./replicator ./testkit/e2e ./cmd/internal/service ./cluster/group

# Folders that may hold tests on real brokers; packages are those with a test named TestReal….
REAL_HOMES := $(wildcard testkit cluster events projector replicator agent cmd)
REAL_PKGS = $(addprefix ./,$(sort $(patsubst %/,%,$(dir $(shell grep -rl --include='*_test.go' '^func TestReal' $(REAL_HOMES))))))

.DEFAULT_GOAL := help
.PHONY: help test sim check kafka kafka-fetch lint fmt cover bench bench-copy bench-many soak demo schema

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

test: check ## format check, vet and all tests that need nothing but Go
	@echo "race detector: $(if $(RACE),on ($(CC_FOUND)),off: no C compiler found)"
	CGO_ENABLED=$(if $(RACE),1,0) PORTAGE_REAL= $(GO) test $(RACE) -p $(AT_ONCE) $(LONGEST) ./...
	@echo "not run by make test: random histories of the copy: make sim; the tests on real Apache Kafka (Java, Maven): make kafka"

# Schedules of the simulator, and the seed of the first one; 0 draws it.
RUNS ?= 100000
SEED ?= 0

sim: ## random schedules of the replicator, then mistakes that they have to show (RUNS=100000; SEED=7; RUNS=1 SEED=7: step by step)
	$(GO) run ./testkit/sim -runs $(RUNS) -seed $(SEED)

check:
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...

kafka: kafka-fetch ## the tests on real Apache Kafka brokers (Java; Maven for the first run)
	@echo "packages with tests on real brokers: $(REAL_PKGS)"
	PORTAGE_REAL=1 $(GO) test -count=1 -timeout 30m -p 1 -run '^TestReal' $(REAL_PKGS)

kafka-fetch: ## fetch the pinned Apache Kafka versions into .cache/kafka
	$(GO) run ./testkit/realkafka/fetch

lint: ## golangci-lint with .golangci.yml (the first run builds it)
	$(GO) run $(GOLANGCI) run ./...

fmt: ## format all Go files
	gofmt -w .

cover: ## coverage of the tests that need nothing but Go
	@mkdir -p .cache
	PORTAGE_REAL= $(GO) test -covermode=atomic -coverpkg=./... -coverprofile=.cache/cover.out ./...
	$(GO) tool cover -func=.cache/cover.out | tail -n 1
	@echo "by line: $(GO) tool cover -html=.cache/cover.out"

bench: ## the Go benchmarks; compare runs with benchstat
	$(GO) test -run '^$$' -bench . -benchmem ./...

soak: kafka-fetch ## ten minutes of killed workers and broken brokers, on three real brokers a side (ARGS="-soak=30m -soak.seed=7")
	PORTAGE_REAL=1 $(GO) test -count=1 -timeout 90m -v -run '^TestRealSoak$$' ./testkit/e2e -soak=10m $(ARGS)

bench-copy: kafka-fetch ## copying beside MirrorMaker 2 and the limit, on real brokers (half an hour; ARGS="-mb 300 -runs 1")
	$(GO) run ./testkit/bench/copy $(ARGS)

bench-many: ## what 10,000 partitions cost a worker, on embedded clusters (ARGS="-rtt 40ms", or "-real -partitions 2000")
	$(GO) run ./testkit/bench/many $(ARGS)

demo: ## a whole migration on embedded clusters
	$(GO) run ./cmd/portage demo

schema: ## write the JSON Schemas of the events
	$(GO) generate ./events/...
