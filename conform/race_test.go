//go:build race

package conform

// underRace: the race detector is on, and everything takes several times as long.
const underRace = true
