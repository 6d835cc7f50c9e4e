//go:build !race

package conform

const underRace = false
