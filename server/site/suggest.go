package site

import (
	"strings"
	"unicode/utf8"
)

// nearest returns the word that s was probably meant to be, or "". Words that
// differ by case only come first, then those with the fewest slips of the keys:
// at most one for every three letters of s, and three in all.
func nearest(s string, words []string) string {
	const longest = 64
	if s == "" || len(s) > longest {
		return ""
	}
	best, least := "", min(3, max(1, utf8.RuneCountInString(s)/3))+1
	if utf8.RuneCountInString(s) <= 2 {
		least = 1 // too many words would do
	}
	for _, w := range words {
		if strings.EqualFold(s, w) {
			return w
		}
		if d := slips(strings.ToLower(s), strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	return best
}

// slips counts the letters to insert, leave out, replace or swap with the next
// one to get from a to b (the optimal string alignment distance).
func slips(a, b string) int {
	from, to := []rune(a), []rune(b)
	before, last, row := make([]int, len(to)+1), make([]int, len(to)+1), make([]int, len(to)+1)
	for j := range last {
		last[j] = j
	}
	for i, r := range from {
		row[0] = i + 1
		for j, t := range to {
			cost := 1
			if r == t {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && r == to[j-1] && from[i-1] == t {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(to)]
}
