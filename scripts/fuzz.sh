#!/bin/sh
# Every fuzz target of all modules in turn. What one finds, Go puts into its
# testdata/fuzz: commit it with the repair.
set -u
cd "$(dirname "$0")/.."
. scripts/modules.sh

for m in $modules; do
	for dir in $(cd "$m" && go list -f '{{.Dir}}' ./...); do
		ls "$dir"/*_test.go >/dev/null 2>&1 || continue
		for target in $(cd "$dir" && go test -list '^Fuzz' . | grep '^Fuzz'); do
			say "$target in ${dir#"$PWD"/}, ${FUZZTIME:-1m}"
			(cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" .) || fail "$target in $dir"
		done
	done
done
exit $failed
