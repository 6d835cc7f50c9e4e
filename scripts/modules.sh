# Sourced by the others. The modules of this repository, from its root:
modules=". server bench"

# Linters at the versions that are known to work here, in .deps/bin.
staticcheck_version=v0.8.2
govulncheck_version=v1.8.0
# An authority of ACME to test with.
pebble_version=v2.10.1
bin=$PWD/.deps/bin

failed=0
say() { printf '== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; failed=1; }
# In CI what is missing is an error, elsewhere it is said.
missing() {
	if [ "${CI:-}" = true ]; then fail "$*"; else printf 'missing: %s\n' "$*" >&2; fi
}
