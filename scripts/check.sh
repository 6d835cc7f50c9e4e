#!/bin/sh
# Everything that is wrong without running anything.
set -u
cd "$(dirname "$0")/.."
. scripts/modules.sh

say gofmt
files=$(gofmt -l $(git ls-files -co --exclude-standard -- '*.go' 2>/dev/null || find . -name '*.go' -not -path '*/node_modules/*'))
[ -z "$files" ] || fail "gofmt: $files"

for m in $modules; do
	say "go vet ($m)"
	(cd "$m" && go vet ./...) || fail "go vet in $m"
	say "go mod tidy ($m)"
	# GOWORK=off: each module has to stand by itself, for those who get it alone.
	(cd "$m" && GOWORK=off go mod tidy -diff) || fail "go mod tidy in $m"
done

say "go vet of the library for js/wasm and with -tags invariants"
GOOS=js GOARCH=wasm go vet ./... || fail "js/wasm"
go vet -tags invariants ./... || fail "invariants"

for m in $modules; do
	if [ -x "$bin/staticcheck" ]; then
		say "staticcheck ($m)"
		(cd "$m" && "$bin/staticcheck" ./...) || fail "staticcheck in $m"
	else missing "staticcheck (make deps)"; fi
done

if [ ! -x "$bin/govulncheck" ]; then missing "govulncheck (make deps)"; else
	for m in . server; do
		say "govulncheck ($m)"
		if out=$(cd "$m" && "$bin/govulncheck" ./... 2>&1); then echo "$out"; else
			# Its database is fetched each time. Not to reach it is not a finding,
			# in CI neither: machines without the Internet build this too.
			case $out in
			*"no such host"* | *"dial tcp"* | *"Forbidden"* | *"connection refused"* | *"timeout"*)
				echo "vulnerability database out of reach, not checked"
				break
				;;
			*) echo "$out"; fail "govulncheck in $m" ;;
			esac
		fi
	done
fi

# darwin/386 does not exist any more. linux/amd64 and the like are built again
# where they are not the machine's own.
for target in linux/amd64 linux/arm64 linux/386 darwin/amd64 darwin/arm64 \
	windows/amd64 windows/arm64 windows/386 freebsd/amd64 freebsd/arm64 freebsd/386; do
	say "build for $target"
	for m in . server; do
		(cd "$m" && CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/} go build ./...) || fail "build of $m for $target"
	done
done
[ $failed = 0 ] && say "check: ok"
exit $failed
