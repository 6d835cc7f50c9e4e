//go:build invariants

package deflate

const invariants = true
