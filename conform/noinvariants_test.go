//go:build !invariants

package conform

const underInvariants = false
