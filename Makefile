# What there is: make help
SHELL := /bin/sh

# How long each fuzz target runs in `make fuzz`.
FUZZTIME ?= 1m
# Further arguments for `make test` (TESTFLAGS=-v), `make bench` (BENCHFLAGS=-rounds=5)
# and `make conform-peers` (PEERFLAGS="-only gws,nbio").
TESTFLAGS ?=
BENCHFLAGS ?=
PEERFLAGS ?=

.PHONY: help deps check test quick fuzz bench conform-peers run clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## bring what the tests need and Go does not (browser, proxies, npm packages, linters)
	@sh scripts/deps.sh

check: ## gofmt, vet, staticcheck, govulncheck, tidy modules, cross-builds
	@sh scripts/check.sh

test: deps ## everything: deps, check, all tests of all modules under the race detector
	@failed=0; sh scripts/check.sh || failed=1; sh scripts/test.sh $(TESTFLAGS) || failed=1; exit $$failed

quick: ## the tests alone, cached, without the race detector
	@sh scripts/test.sh -quick $(TESTFLAGS)

fuzz: ## every fuzz target in turn, FUZZTIME each (1m)
	@FUZZTIME=$(FUZZTIME) sh scripts/fuzz.sh

bench: ## our servers and other people's side by side
	@sh scripts/bench.sh $(BENCHFLAGS)

conform-peers: ## what RFC 6455 says of our library and other people's; writes docs/conformance.md
	@sh scripts/conform-peers.sh $(PEERFLAGS)

run: ## the server with its demo site
	go run ./server/cmd/curlew serve

clean: ## forget what deps and the builds left in the tree
	rm -rf .deps bin server/*/node_modules bench/peers/*/node_modules
