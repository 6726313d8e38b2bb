# Everything here works from a fresh clone with Go, gcc and git. Tools go to .bin, products to bin.

GOLANGCI_VERSION := v2.15.0
VERSION  ?= $(shell git describe --tags --dirty 2>/dev/null || echo dev)
COMMIT   ?= $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
BENCH    ?= .
CYCLES   ?= 1000
SOAK     ?= 0
SIEGE    ?= 60s
SEED     ?= 3
SEEDS    ?= 10000

# Every target builds alike, so that tests and product share what is compiled.
export GOFLAGS := $(strip $(filter-out -trimpath,$(GOFLAGS)) -trimpath)

GOFUMPT  := go tool -modfile=tools.mod gofumpt
GOLANGCI := .bin/golangci-lint-$(GOLANGCI_VERSION)
LDFLAGS  := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# The pattern ./... leaves out what is below testdata.
PACKAGES := ./... ./testdata ./testdata/goldentest

# The pure cores run without goroutines; the rest is what the race detector is for.
PURE_PKGS  := . $(addsuffix /...,$(addprefix ./,$(wildcard mempool consensus state proofs app/session)))
SHELL_PKGS := $(addsuffix /...,$(addprefix ./,$(wildcard crypto app node)))

.DEFAULT_GOAL := help
.PHONY: help run build check test lint fmt race fuzz sim mutants chaos bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## start a devnet on this machine and tell its story; Ctrl-C ends it
	bin/remora devnet story

build: ## build bin/remora
	@echo "building bin/remora (the first time takes 2-4 minutes on two cores, later a few seconds)"
	@go build -ldflags "$(LDFLAGS)" -o bin/remora ./cmd/remora

# Commands are not built here: vet type-checks them, and linking would take most of the time.
check: .bin/remora-vet ## the gate before a commit: compiles, vets, checks formatting, names and import rules, tests the pure cores
	go vet $(PACKAGES)
	go vet -vettool=$(CURDIR)/.bin/remora-vet $(PACKAGES)
	go build $$(go list -f '{{if ne .Name "main"}}{{.ImportPath}}{{end}}' ./...)
	@unformatted=$$($(GOFUMPT) -l .) && test -z "$$unformatted" || { echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; }
	go mod tidy -diff
	go test -short $(PURE_PKGS)

test: build ## all tests, at most 15 minutes on two cores
	@start=$$(date +%s); status=0; \
	go test -timeout 15m $(PACKAGES) || status=$$?; \
	test $$status = 0 && verdict=passed || verdict=FAILED; \
	echo "make test: $$verdict after $$(( $$(date +%s) - start )) s"; \
	exit $$status

lint: $(GOLANGCI) ## golangci-lint (installs it the first time, about 2 minutes)
	$(GOLANGCI) run $(PACKAGES)

fmt: ## format all Go files
	$(GOFUMPT) -w .

race: ## tests of the shell under the race detector
	go test -race -timeout 30m $(SHELL_PKGS)

fuzz: ## each fuzz target in turn for FUZZTIME (30s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			echo "$$(dirname $$file) $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x "$$(dirname $$file)" </dev/null || exit 1; \
		done || exit 1; \
	done

sim: build ## SEEDS (10000) faulted runs of simulated committees; a failure is shrunk to failed.toml
	bin/remora sim search --seeds $(SEEDS) --seed $(SEED)

mutants: ## plant deliberate defects, one at a time: the tests must notice each (about 3 minutes)
	@go run ./cmd/mutants

chaos: ## four real validators under kill -9 (CYCLES times, 1000), pauses, wrong clocks; attackers for SIEGE (60s) each; as root also lossy and cut links, full disks (75 minutes)
	go test ./node/chaos -count=1 -v -timeout 0 -args -cycles $(CYCLES) -seed $(SEED) -soak $(SOAK) -siege $(SIEGE)

bench: build ## benchmarks of the pure cores, then ordering by four real validators
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PURE_PKGS)
	bin/remora bench order --validators 4 --size 512 --rate 0 --duration 30s

clean: ## remove products and the devnet, keep the tools in .bin
	rm -rf bin .devnet tmp .bin/remora-vet
	find . -name '*.test' -type f -delete -o -name '*.prof' -type f -delete

.bin/remora-vet: $(wildcard cmd/vet/*.go) go.mod
	go build -o $@ ./cmd/vet
	@touch $@

$(GOLANGCI):
	GOBIN=$(CURDIR)/.bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .bin/golangci-lint $@
