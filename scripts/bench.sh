#!/bin/sh
# Builds our servers, the peers and the load into bin/ and compares them. What is
# given goes to bench/compare: -rounds 5 -t 5s -only echo-100c-128.
set -eu
cd "$(dirname "$0")/.."
mkdir -p bin
(cd bench && go build -o ../bin/ ./compare ./load ./echo ./fanout ./peers/gws ./peers/gorilla)
exec bin/compare "$@"
