# make demo    builds umpa-run and shows it at work: no privileges, no network
# make test    runs all tests
# make race    runs those with several goroutines under the race detector
# make fuzz    searches for packets and files that break the decoders
# make bench   runs the benchmarks, each beside what it is compared to
# make week    simulates a thousand hosts for a week, three times: some fifteen minutes
# make check   everything a change has to pass: format, vet, lint, race, cross builds
# make build   bin/umpa-run
#
# What a build needs beyond Go is libpcap's headers: .ci/setup installs them
# where it may, and otherwise has the build done without cgo.

SOURCES := $(shell find . -name '*.go' -o -name '*.js' -o -name '*.ts' -o -name go.mod -o -name go.sum | grep -v -e _test.go -e /testdata/ -e '^./bin/')

.PHONY: build demo test race fuzz bench week check clean

build: bin/umpa-run

bin/umpa-run: $(SOURCES)
	@cgo=$$(.ci/setup) && CGO_ENABLED=$$cgo go build -trimpath -o $@ ./cmd/umpa-run

demo: bin/umpa-run
	@.ci/demo bin/umpa-run

# The race detector doubles the time: it is check's, not test's.
test:
	@cgo=$$(.ci/setup) && CGO_ENABLED=$$cgo go test -timeout 15m ./...

# What runs on several goroutines, under the race detector.
race:
	@cgo=$$(.ci/setup) && if [ $$cgo = 1 ]; then go test -race -timeout 15m ./engine ./jsapi ./netio ./timers; \
	else echo "skipped: the race detector needs cgo"; fi

# Each parser of hostile packets and files, for FUZZTIME.
FUZZTIME ?= 60s
fuzz:
	@cgo=$$(.ci/setup) && export CGO_ENABLED=$$cgo && \
	go test ./netio/packet -run '^$$' -fuzz '^FuzzDecode$$' -fuzztime $(FUZZTIME) && \
	go test ./netio/packet -run '^$$' -fuzz '^FuzzDecodeBuild$$' -fuzztime $(FUZZTIME) && \
	go test ./netio -run '^$$' -fuzz '^FuzzReader$$' -fuzztime $(FUZZTIME)

bench:
	@cgo=$$(.ci/setup) && CGO_ENABLED=$$cgo go test -run '^$$' -bench . -benchmem ./...

week:
	@cgo=$$(.ci/setup) && CGO_ENABLED=$$cgo UMPA_SIMULATE=168h go test ./engine -run '^TestThousandHosts' -v -count 1 -timeout 3h

check:
	@.ci/check

clean:
	rm -rf bin
