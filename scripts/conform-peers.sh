#!/bin/sh
# Builds our echo and the peers into bin/, runs the cases of package conform
# against all of them, as servers and as clients, and writes docs/conformance.md.
# What is given goes to bench/conform: -only gws,nbio -role server -cases 7,9.1;
# then the page is left alone, unless -page names one.
set -eu
cd "$(dirname "$0")/.."
. scripts/modules.sh
mkdir -p bin
(cd bench && go build -o ../bin/ ./echo ./peers/... && go build -o ../bin/conform-peers ./conform)
ws=bench/peers/ws
if ! cmp -s $ws/package-lock.json $ws/node_modules/.lock; then
	(cd $ws && npm ci --no-audit --no-fund --loglevel=error && cp package-lock.json node_modules/.lock) || missing "npm package ws"
fi
[ $# -gt 0 ] || set -- -page docs/conformance.md
exec bin/conform-peers "$@"
