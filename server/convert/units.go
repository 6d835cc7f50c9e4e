package convert

import (
	"fmt"
	"strconv"
	"strings"

	"curlew.example/curlew/server/site"
)

// Both servers share a grammar of numbers with units, and its surprises: an
// unknown unit counts for nothing, fractions are cut off, and m is a million
// (of seconds, too).

// timeUnits are ours for theirs, with a factor.
var timeUnits = map[string]struct {
	factor int64
	name   string
}{
	"": {1, "s"}, "s": {1, "s"}, "sec": {1, "s"}, "secs": {1, "s"}, "second": {1, "s"}, "seconds": {1, "s"},
	"min": {1, "min"}, "mins": {1, "mins"}, "minute": {1, "min"}, "minutes": {1, "mins"},
	"hr": {1, "hr"}, "hrs": {1, "hrs"}, "hour": {1, "hour"}, "hours": {1, "hours"},
	"day": {1, "day"}, "days": {1, "days"}, "week": {1, "week"}, "weeks": {1, "weeks"},
	"month": {30, "days"}, "months": {30, "days"}, "year": {365, "days"}, "years": {365, "days"},
}

var sizeUnits = map[string]string{
	"": "", "b": "", "byte": "", "bytes": "", "k": " KB", "kb": " KB", "m": " MB", "mb": " MB", "g": " GB", "gb": " GB",
}

// isUnlimited reports whether s is a word for no limit.
func isUnlimited(s string) bool {
	switch strings.ToLower(s) {
	case "unlimited", "infinite", "never", "forever":
		return true
	}
	return false
}

// A number is one of theirs taken apart.
type number struct{ digits, unit string }

func splitNumber(s string) (number, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	i := 0
	for i < len(s) && ('0' <= s[i] && s[i] <= '9' || s[i] == '.') {
		i++
	}
	n := number{s[:i], strings.TrimSpace(s[i:])}
	if n.digits == "" || n.digits[0] == '.' || strings.Count(n.digits, ".") > 1 || strings.HasSuffix(n.digits, ".") {
		return n, fmt.Errorf("%s is not a number; a number with a unit is wanted", quoted(s))
	}
	return n, nil
}

func (n number) isZero() bool { return strings.Trim(n.digits, "0.") == "" }

// duration translates a time. The note says where the source means something
// else than it seems to.
func duration(s string) (value, note string, err error) {
	if isUnlimited(s) {
		if strings.EqualFold(s, "never") {
			return "'never'", "", nil
		}
		return "'unlimited'", "", nil
	}
	n, err := splitNumber(s)
	if err != nil {
		return "", "", err
	}
	if n.isZero() {
		return "", "", errZero
	}
	if n.unit == "m" {
		return checkedTime(text(n.digits+" mins"), "the source reads "+n.digits+"m as "+n.digits+" times 1048576 seconds")
	}
	u, ok := timeUnits[n.unit]
	if !ok {
		return "", "", fmt.Errorf("%s has the unknown unit %s; sec, min, hr, day, week, month and year are known", quoted(s), quoted(n.unit))
	}
	digits := n.digits
	if strings.Contains(digits, ".") {
		whole, _, _ := strings.Cut(digits, ".")
		note = "the source cuts it to " + whole
	}
	if u.factor != 1 {
		v, err := strconv.ParseInt(digits, 10, 32)
		if err != nil {
			return "", "", fmt.Errorf("%s is too large for a time, or no whole number; write it in days", quoted(s))
		}
		digits = strconv.FormatInt(v*u.factor, 10)
	}
	return checkedTime(text(digits+" "+u.name), note)
}

func checkedTime(value, note string) (string, string, error) {
	if _, err := site.ParseDuration(strings.Trim(value, "'")); err != nil {
		return "", "", err
	}
	return value, note, nil
}

// size translates a number of bytes.
func size(s string) (value, note string, err error) {
	if isUnlimited(s) {
		return "'unlimited'", "", nil
	}
	n, err := splitNumber(s)
	if err != nil {
		return "", "", err
	}
	if n.isZero() {
		return "", "", errZero
	}
	unit, ok := sizeUnits[n.unit]
	if !ok {
		return "", "", fmt.Errorf("%s has the unknown unit %s; K, MB and GB are known", quoted(s), quoted(n.unit))
	}
	if _, err := site.ParseSize(n.digits + unit); err != nil {
		return "", "", err
	}
	if strings.Contains(n.digits, ".") {
		whole, _, _ := strings.Cut(n.digits, ".")
		note = "the source cuts it to " + whole
	}
	if unit == "" {
		return strings.TrimLeft(n.digits, "0"), note, nil
	}
	return text(n.digits + unit), note, nil
}

// count translates a number of things.
func count(s string) (value, note string, err error) {
	if isUnlimited(s) {
		return "'unlimited'", "", nil
	}
	n, err := splitNumber(s)
	switch {
	case err != nil:
		return "", "", err
	case n.isZero():
		return "", "", errZero
	}
	factor := int64(1)
	switch n.unit {
	case "":
	case "k", "kb":
		factor = 1 << 10
	case "m", "mb":
		factor = 1 << 20
	default:
		return "", "", fmt.Errorf("%s has a unit; a plain number is wanted", quoted(s))
	}
	v, err := strconv.ParseInt(n.digits, 10, 32)
	if err != nil {
		return "", "", fmt.Errorf("%s is too large, or no whole number", quoted(s))
	}
	return strconv.FormatInt(v*factor, 10), "", nil
}

// errZero is what is said of a zero: the two servers mean different things by
// it in different places.
var errZero = zeroError{}

type zeroError struct{}

func (zeroError) Error() string {
	return "0 has no counterpart; where no limit is meant write 'unlimited'"
}

// quoted is a text in an error, not too long.
func quoted(s string) string {
	const most = 48
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return "'" + oneLine(s) + "'"
}
