//go:build race

package fallback

// underRace is whether the race detector slows things down.
const underRace = true
