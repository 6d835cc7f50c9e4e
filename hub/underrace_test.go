//go:build race

package hub

const underRace = true
