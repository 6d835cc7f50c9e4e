// Package logs keeps strangers from writing in a log what they like, as often as they
// like.
package logs

import (
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Escape returns a stranger's text with everything escaped that a terminal, a log
// viewer or a reader could take for something else: control characters, line and
// paragraph separators, direction marks, bytes that are not UTF-8. Of more than most
// bytes the rest is cut off.
func Escape(s string, most int) string {
	cut := len(s) > most
	if cut {
		n := most
		for n > most-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			q := strconv.QuoteToGraphic(s)
			s = strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
			break
		}
	}
	if cut {
		s += "…"
	}
	return s
}

// A Limiter lets a number of lines a second through and counts the others. Any
// goroutine may use it.
type Limiter struct {
	Most int // lines a second; not to be changed

	mu      sync.Mutex // guards the following
	second  int64
	lines   int
	dropped int
}

// Allow reports whether a line may be written now.
func (l *Limiter) Allow(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := now.Unix(); s != l.second {
		l.second, l.lines = s, 0
	}
	if l.lines >= l.Most {
		l.dropped++
		return false
	}
	l.lines++
	return true
}

// Missed returns how many lines were not written since it was last asked.
func (l *Limiter) Missed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.dropped
	l.dropped = 0
	return n
}
