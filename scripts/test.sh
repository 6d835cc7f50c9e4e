#!/bin/sh
# All tests of all modules; fuzz seeds run as tests. -quick: cached, no race
# detector. What else is given goes to go test.
set -u
cd "$(dirname "$0")/.."
. scripts/modules.sh

flags="-race -shuffle=on -count=1"
if [ "${1:-}" = -quick ]; then
	shift
	flags=
elif [ "$(go env CGO_ENABLED)" != 1 ] && [ "$(go env GOOS)" != darwin ]; then
	missing "a C compiler: the race detector is off"
	flags="-shuffle=on -count=1"
fi

for m in $modules; do
	say "go test $flags ($m)"
	(cd "$m" && go test $flags "$@" ./...) || fail "go test in $m"
done
# Two more runs of the code that runs in production: without the race detector,
# which makes pools forget, so that what must allocate nothing can be seen to; and
# with the tag that makes pools check what is given back.
code=$(go list ./... | grep -v -e /internal/docs -e /internal/floors -e /internal/modpath -e /internal/testenv -e /internal/rows -e /client/js)
[ -z "$flags" ] || {
	say "go test -shuffle=on -count=1 (., without the race detector)"
	go test -shuffle=on -count=1 "$@" $code || fail "go test without the race detector"
}
say "go test -tags invariants (.)"
go test ${flags:+-shuffle=on -count=1} -tags invariants "$@" $code || fail "go test -tags invariants"
[ $failed = 0 ] && say "test: ok"
exit $failed
