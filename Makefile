# make test is all a fresh machine needs; it does its own set-up.
.PHONY: build test bench lint

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/gpreach ./cmd/gpreach

test:
	@bash scripts/test.sh

bench:
	@bash scripts/bench.sh

lint:
	@bash scripts/lint.sh
