#!/bin/sh
# Brings what the tests need and Go does not: a C compiler for the race
# detector, a browser, a proxy, other people's WebSocket programs, linters.
# Quick when it is all there. What cannot be had is named; the tests that need it
# say so when they are skipped.
set -u
cd "$(dirname "$0")/.."
. scripts/modules.sh

# Programs: what to look for, and the Debian package that has it.
want=
need() { # package, then a command that succeeds where it is installed
	package=$1
	shift
	"$@" >/dev/null 2>&1 || want="$want $package"
}
has() { command -v "$1" || [ -x "/usr/sbin/$1" ]; }
browser() { has chromium || has chromium-browser || has google-chrome; }
compiler() { [ "$(go env CGO_ENABLED)" = 1 ]; }
need gcc compiler
need libc6-dev sh -c '[ "$(go env GOOS)" != linux ] || [ -e /usr/include/stdlib.h ]'
need curl has curl
need nodejs has node
need npm has npm
need chromium browser
need firefox-esr sh -c 'command -v firefox-esr || command -v firefox'
need squid has squid
need nginx-light has nginx
need haproxy has haproxy
need caddy has caddy
need systemd sh -c '[ "$(go env GOOS)" != linux ] || command -v systemd-socket-activate'
need python3-websockets sh -c '/usr/bin/python3 -c "import websockets" || python3 -c "import websockets"'

# install runs apt-get as root. A user's own machine is not changed behind their
# back: sudo is used in CI only.
install() {
	if [ "$(id -u)" = 0 ]; then as=; elif [ "${CI:-}" = true ] && sudo -n true 2>/dev/null; then as="sudo -n"; else
		echo "not root; please run: sudo apt-get install$want" >&2
		return 1
	fi
	# The packages' services must not start; this is Debian's way to say so.
	policy=/usr/sbin/policy-rc.d
	[ -e $policy ] || {
		printf '#!/bin/sh\nexit 101\n' | $as tee $policy >/dev/null && $as chmod +x $policy
		trap '$as rm -f $policy' EXIT INT TERM
	}
	$as apt-get update -q >/dev/null || return 1
	# One by one: a package that is unknown here must not keep the others away.
	for p in $want; do
		$as env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$p" >/dev/null || echo "apt-get could not install $p" >&2
	done
}
if [ -n "$want" ]; then
	say "deps: wanted:$want"
	if command -v apt-get >/dev/null; then install || true; else
		echo "no apt-get here; what is not found is left out:$want" >&2
	fi
fi

# npm packages, exactly as the lock files beside the tests say.
for lock in $(git ls-files '*package-lock.json' 2>/dev/null || find . -name package-lock.json -not -path '*/node_modules/*'); do
	dir=$(dirname "$lock")
	cmp -s "$lock" "$dir/node_modules/.lock" && continue
	if ! command -v npm >/dev/null; then missing "npm, for $dir"; continue; fi
	say "deps: npm ci in $dir"
	if (cd "$dir" && npm ci --no-audit --no-fund --loglevel=error); then cp "$lock" "$dir/node_modules/.lock"; else missing "npm packages of $dir"; fi
done

# Linters and an authority of ACME, built by the Go that is in use; another one makes them anew.
mkdir -p .deps/bin
tool() { # name, package, version
	stamp="$2@$3 $(go version)"
	[ -x "$bin/$1" ] && [ "$(cat ".deps/$1.stamp" 2>/dev/null)" = "$stamp" ] && return
	say "deps: $1 $3"
	if GOBIN=$bin GOWORK=off go install "$2@$3"; then echo "$stamp" >".deps/$1.stamp"; else
		rm -f "$bin/$1"
		missing "$1"
	fi
}
tool staticcheck honnef.co/go/tools/cmd/staticcheck $staticcheck_version
tool govulncheck golang.org/x/vuln/cmd/govulncheck $govulncheck_version
tool pebble github.com/letsencrypt/pebble/v2/cmd/pebble $pebble_version
tool pebble-challtestsrv github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv $pebble_version

# The modules' own dependencies, so that the tests need no network.
for m in $modules; do
	(cd "$m" && go mod download) || missing "Go modules of $m"
done
exit $failed
