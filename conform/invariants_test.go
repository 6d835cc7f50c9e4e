//go:build invariants

package conform

// underInvariants: pools check what is given back.
const underInvariants = true
