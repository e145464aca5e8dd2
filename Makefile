# make demo        let a phone into a small app, and throw it out; needs Go and nothing else
# make demo-cluster  the same with three Traefiks, Redis and HAProxy, which must be installed
# make test        everything: vet, lint, unit tests, the corpus three times, real apps
# make test-fast   the inner loop: under a minute, without Traefik
# make fuzz        every fuzz target for a minute, and 100,000 tokens against go-jose
# make soak        ten minutes of load, reloads, rotations and broken files
# make bench       ratios in one real Traefik, into docs/bench.md and docs/scale.md; needs wrk
# make bench-fast  the interpreted plugin alone, as multiples of a plugin that does nothing

GOLANGCI = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
MODULES  = . e2e cmd
# cmd's own go.mod names released versions alone, so that it can be installed; dev.json puts dev.mod in its place,
# which takes this folder's plugin.
IN_MODULE = cd $$module && if [ -f dev.json ]; then export GOFLAGS="$$(go env GOFLAGS) -overlay=dev.json"; fi
# What e2e tests lies outside its module, where go test's cache does not look: hence -count=1.
# Tests note here what they left out for want of a program.
export LEFT_OUT = $(CURDIR)/.left-out

.PHONY: demo demo-cluster test test-fast test-e2e fuzz soak bench bench-fast vet lint vendor clean

demo:
	@cd e2e && exec go run ./demo

demo-cluster:
	@cd e2e && exec go run ./demo cluster

# Where the plugin runs in the tests' own process, which is all that the race detector sees, or tests send much at once.
# What asks a Traefik it makes up to twice as slow.
RACED = forms|interpreted|portal|shadow|soak|vectors
test: vet lint
	@rm -f $(LEFT_OUT)
	go test -race ./...
	cd cmd && go test -modfile=dev.mod ./...
	@$(MAKE) --no-print-directory test-e2e E2E="$$(cd e2e && go list ./... | grep -E '/($(RACED))$$' | tr '\n' ' ')"
	@$(MAKE) --no-print-directory test-e2e RACE= E2E="$$(cd e2e && go list ./... | grep -vE '/($(RACED))$$' | tr '\n' ' ')"
	@if [ -s $(LEFT_OUT) ]; then echo; echo "Passed, but left out:"; sort -u $(LEFT_OUT); else echo "Passed; nothing was left out."; fi

# Through a real Traefik: v3.7, or what TRAEFIK_VERSION or TRAEFIK (a binary) says. E2E says which packages.
E2E = ./...
RACE = -race
test-e2e:
	cd e2e && go test -count=1 $(RACE) -timeout 40m -p 1 $(E2E)

test-fast:
	go vet ./...
	go test -short ./...
	cd cmd && go test -modfile=dev.mod -short ./...
	cd e2e && go test -short -count=1 ./interpreted ./decode

# The seeds, and 3,000 tokens, are part of make test.
FUZZ = 60s
fuzz:
	@for module in $(MODULES); do ($(IN_MODULE) && for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ) $$package || exit 1; \
	  done; \
	done) || exit 1; done
	cd e2e && PTLAUTH_DIFFERENTIAL=100000 PTLAUTH_SEED=$$(date +%s) go test -count=1 -timeout 30m -run '^TestDifferential$$' -v ./vectors

soak:
	cd e2e && PTLAUTH_SOAK=10m go test -count=1 -timeout 20m -run '^TestSoak$$' -v ./soak

bench:
	cd e2e && go run ./bench -out ../docs

bench-fast:
	cd e2e && go test -run '^$$' -bench . ./interpreted

vet:
	@for module in $(MODULES); do ($(IN_MODULE) && go vet ./...) || exit 1; done

lint:
	@for module in $(MODULES); do ($(IN_MODULE) && $(GOLANGCI) run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

vendor:
	go mod tidy
	go mod vendor

clean:
	rm -rf $(LEFT_OUT) plugins-storage
