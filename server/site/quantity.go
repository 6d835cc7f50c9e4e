package site

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// A unit is a word after a number and what it stands for.
type unit struct {
	name string
	size int64
}

// Durations are in nanoseconds. Upper and lower case differ: 5 M is more often
// meant as megabytes than as minutes.
var durationUnits = []unit{
	{"ms", int64(time.Millisecond)},
	{"s", int64(time.Second)}, {"sec", int64(time.Second)}, {"secs", int64(time.Second)},
	{"second", int64(time.Second)}, {"seconds", int64(time.Second)},
	{"min", int64(time.Minute)}, {"mins", int64(time.Minute)},
	{"minute", int64(time.Minute)}, {"minutes", int64(time.Minute)},
	{"h", int64(time.Hour)}, {"hr", int64(time.Hour)}, {"hrs", int64(time.Hour)},
	{"hour", int64(time.Hour)}, {"hours", int64(time.Hour)},
	{"day", 24 * int64(time.Hour)}, {"days", 24 * int64(time.Hour)},
	{"week", 7 * 24 * int64(time.Hour)}, {"weeks", 7 * 24 * int64(time.Hour)},
}

// Sizes are in bytes; the case of their units does not matter.
var sizeUnits = []unit{
	{"K", 1 << 10}, {"KB", 1 << 10},
	{"M", 1 << 20}, {"MB", 1 << 20},
	{"G", 1 << 30}, {"GB", 1 << 30},
}

// noLimit are the words for Unlimited.
var noLimit = []string{"unlimited", "infinite", "never", "none"}

func isNoLimit(s string) bool {
	for _, w := range noLimit {
		if s == w {
			return true
		}
	}
	return false
}

// ParseDuration reads a time as the file has it: "30 s", "5 mins", "1m30s", or a
// number of seconds. The words for no limit give Unlimited. Zero, negative
// values and what a time.Duration cannot hold are errors.
func ParseDuration(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if isNoLimit(s) {
		return Unlimited, nil
	}
	number, word := splitUnit(s)
	switch i := findUnit(durationUnits, word, false); {
	case number == "":
		return 0, unsuitable(s, "a time", "a number with a unit is wanted, such as '30 s', '5 mins' or '1 hour'", noLimit)
	case word == "":
		return scaled(s, number, unit{"s", int64(time.Second)}, "time")
	case i >= 0:
		return scaled(s, number, durationUnits[i], "time")
	case word == "M" || word == "m" && number+word != s:
		return 0, problem(quote(s)+" has the unit '"+word+"', which may be minutes or megabytes",
			"write '"+number+" min' for minutes; a size is written '"+number+" MB'")
	}
	if d, err := time.ParseDuration(s); err == nil {
		switch {
		case d < 0:
			return 0, negative(s, "time")
		case d == 0 && strings.ContainsAny(s, "123456789"):
			return 0, problem(quote(s)+" is less than a nanosecond", "write a longer time")
		case d == 0:
			return 0, zero(s, "time")
		}
		return d, nil
	} else if isGoDuration(s) {
		return 0, tooLarge(s, "time")
	}
	return 0, unknownUnit(s, word, durationUnits, "ms, s, min, h, days or weeks")
}

// ParseSize reads a size as the file has it: "64 KB", "1M", or a number of bytes.
// The words for no limit give Unlimited. Zero, negative values, fractions of a
// byte and what an int64 cannot hold are errors.
func ParseSize(s string) (int64, error) {
	s = strings.TrimSpace(s)
	if isNoLimit(s) {
		return Unlimited, nil
	}
	number, word := splitUnit(s)
	switch i := findUnit(sizeUnits, word, true); {
	case number == "":
		return 0, unsuitable(s, "a size", "a number with a unit is wanted, such as '64 KB' or '1 MB'", noLimit)
	case word == "":
		d, err := scaled(s, number, unit{"", 1}, "size")
		return int64(d), err
	case i >= 0:
		d, err := scaled(s, number, sizeUnits[i], "size")
		return int64(d), err
	}
	return 0, unknownUnit(s, word, sizeUnits, "KB, MB or GB; without one it is bytes")
}

// splitUnit parts a decimal number from the word behind it. The number is empty
// if the text does not begin with one.
func splitUnit(s string) (number, word string) {
	i := 0
	for i < len(s) && (isDigit(rune(s[i])) || s[i] == '.' || i == 0 && (s[i] == '+' || s[i] == '-')) {
		i++
	}
	number = s[:i]
	if !strings.ContainsAny(number, "0123456789") || strings.Count(number, ".") > 1 {
		return "", s
	}
	return number, strings.TrimLeft(s[i:], " \t")
}

// findUnit returns the index of the unit with that name, or -1.
func findUnit(units []unit, name string, anyCase bool) int {
	for i, u := range units {
		if u.name == name || anyCase && strings.EqualFold(u.name, name) {
			return i
		}
	}
	return -1
}

// isGoDuration tells a Go duration that is too long from other texts.
func isGoDuration(s string) bool {
	_, err := time.ParseDuration(strings.Map(func(r rune) rune {
		if isDigit(r) {
			return '0'
		}
		return r
	}, s))
	return err == nil
}

// maxNumber bounds the digits that are worked with.
const maxNumber = 64

// scaled returns number times the unit, as a Duration for want of a type that
// is both. Nanoseconds are cut to whole ones, bytes are not.
func scaled(s, number string, u unit, what string) (time.Duration, error) {
	if whole, _, _ := strings.Cut(number, "."); len(whole) > maxNumber {
		return 0, tooLarge(s, what)
	}
	if len(number) > maxNumber {
		return 0, problem(quote(s)+" has too many digits", "write a shorter number")
	}
	r, ok := new(big.Rat).SetString(number)
	if !ok {
		return 0, problem(quote(s)+" is not a "+what, "a number is wanted, with a unit or without")
	}
	switch r.Sign() {
	case -1:
		return 0, negative(s, what)
	case 0:
		return 0, zero(s, what)
	}
	r.Mul(r, new(big.Rat).SetInt64(u.size))
	if !r.IsInt() && what == "size" {
		return 0, problem(quote(s)+" is not a whole number of bytes", "write a whole number of bytes")
	}
	v := new(big.Int).Quo(r.Num(), r.Denom())
	switch {
	case !v.IsInt64():
		return 0, tooLarge(s, what)
	case v.Sign() == 0:
		return 0, problem(quote(s)+" is less than a nanosecond", "write a longer time")
	}
	return time.Duration(v.Int64()), nil
}

// plainNumber writes a JSON5 number as digits with at most a point, so that
// splitUnit knows all of it. Infinity is a word for no limit.
func plainNumber(n *Node) (string, error) {
	f := n.Float()
	switch {
	case math.IsNaN(f):
		return "", problem("found NaN", "a number is wanted")
	case math.IsInf(f, 1):
		return noLimit[0], nil
	case math.IsInf(f, -1):
		return "", negative(n.Text, "number")
	case isHex(strings.TrimLeft(n.Text, "+-")):
		v, ok := new(big.Int).SetString(n.Text, 0)
		if !ok {
			return "", problem("found "+quote(n.Text), "a number is wanted")
		}
		return v.String(), nil
	case strings.ContainsAny(n.Text, "eE"):
		return strconv.FormatFloat(f, 'f', -1, 64), nil
	}
	return n.Text, nil
}

// problem is an error without a place: what was found and what would be right.
func problem(found, right string) error { return errors.New(found + "; " + right) }

func negative(s, what string) error {
	return problem(quote(s)+" is negative", "a "+what+" is more than 0; for no limit write 'unlimited'")
}

func zero(s, what string) error {
	return problem(quote(s)+" is not a "+what, "for no limit write 'unlimited'")
}

func tooLarge(s, what string) error {
	return problem(quote(s)+" is too large for a "+what, "for no limit write 'unlimited'")
}

func unsuitable(s, what, right string, words []string) error {
	if w := nearest(s, words); w != "" {
		right = "did you mean '" + w + "'?"
	}
	return problem(quote(s)+" is not "+what, right)
}

func unknownUnit(s, word string, units []unit, right string) error {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	if w := nearest(word, names); w != "" {
		right = "did you mean '" + w + "'?"
	} else {
		right = "a unit is " + right
	}
	return problem(quote(s)+" has the unknown unit "+quote(word), right)
}
