package site

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30 s": 30 * time.Second, "5 mins": 5 * time.Minute, "2hrs": 2 * time.Hour, "1 hour": time.Hour, "500ms": 500 * time.Millisecond,
		"1 day": 24 * time.Hour, "2 weeks": 14 * 24 * time.Hour, "1 week": 7 * 24 * time.Hour, "3 days": 72 * time.Hour,
		"1 sec": time.Second, "2 secs": 2 * time.Second, "1 second": time.Second, "2 seconds": 2 * time.Second,
		"1 min": time.Minute, "1 minute": time.Minute, "2 minutes": 2 * time.Minute, "1 h": time.Hour, "1 hr": time.Hour, "2 hours": 2 * time.Hour,
		"1m30s": 90 * time.Second, "1.5h": 90 * time.Minute, "5m": 5 * time.Minute, "1.5 hours": 90 * time.Minute, "100us": 100 * time.Microsecond,
		"1h0m1s": time.Hour + time.Second, "+5m": 5 * time.Minute, "1ns": 1,
		"30": 30 * time.Second, "0.5": time.Second / 2, ".5 s": time.Second / 2, "5. s": 5 * time.Second, " 5\t s ": 5 * time.Second, "+5 s": 5 * time.Second,
		"106751 days": 106751 * 24 * time.Hour, "9223372036854775807ns": math.MaxInt64,
		"unlimited": Unlimited, "infinite": Unlimited, "never": Unlimited, "none": Unlimited,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"5 M":           "'5 M' has the unit 'M', which may be minutes or megabytes; write '5 min' for minutes; a size is written '5 MB'",
		"5 m":           "'5 m' has the unit 'm', which may be minutes or megabytes; write '5 min' for minutes; a size is written '5 MB'",
		"5M":            "'5M' has the unit 'M', which may be minutes or megabytes; write '5 min' for minutes; a size is written '5 MB'",
		"0":             "'0' is not a time; for no limit write 'unlimited'",
		"0 s":           "'0 s' is not a time; for no limit write 'unlimited'",
		"0m":            "'0m' is not a time; for no limit write 'unlimited'",
		"0m0s":          "'0m0s' is not a time; for no limit write 'unlimited'",
		"-0":            "'-0' is not a time; for no limit write 'unlimited'",
		"-5 s":          "'-5 s' is negative; a time is more than 0; for no limit write 'unlimited'",
		"-5m":           "'-5m' is negative; a time is more than 0; for no limit write 'unlimited'",
		"5 MB":          "'5 MB' has the unknown unit 'MB'; a unit is ms, s, min, h, days or weeks",
		"5 minuts":      "'5 minuts' has the unknown unit 'minuts'; did you mean 'minute'?",
		"5 S":           "'5 S' has the unknown unit 'S'; did you mean 's'?",
		"5 years":       "'5 years' has the unknown unit 'years'; a unit is ms, s, min, h, days or weeks",
		"5 fortnights":  "'5 fortnights' has the unknown unit 'fortnights'; a unit is ms, s, min, h, days or weeks",
		"":              "'' is not a time; a number with a unit is wanted, such as '30 s', '5 mins' or '1 hour'",
		"unlimted":      "'unlimted' is not a time; did you mean 'unlimited'?",
		"Never":         "'Never' is not a time; did you mean 'never'?",
		"soon":          "'soon' is not a time; a number with a unit is wanted, such as '30 s', '5 mins' or '1 hour'",
		"s":             "'s' is not a time; a number with a unit is wanted, such as '30 s', '5 mins' or '1 hour'",
		"1.2.3 s":       "'1.2.3 s' is not a time; a number with a unit is wanted, such as '30 s', '5 mins' or '1 hour'",
		"1e3 s":         "'1e3 s' has the unknown unit 'e3 s'; a unit is ms, s, min, h, days or weeks",
		"1 h 30 min":    "'1 h 30 min' has the unknown unit 'h 30 min'; a unit is ms, s, min, h, days or weeks",
		"106752 days":   "'106752 days' is too large for a time; for no limit write 'unlimited'",
		"2562048h":      "'2562048h' is too large for a time; for no limit write 'unlimited'",
		"9999999h30m":   "'9999999h30m' is too large for a time; for no limit write 'unlimited'",
		"0.1ns":         "'0.1ns' is less than a nanosecond; write a longer time",
		"0.0000000001s": "'0.0000000001s' is less than a nanosecond; write a longer time",
		"5\x1b[31m":     "'5\\x1b[31m' has the unknown unit '\\x1b[31m'; a unit is ms, s, min, h, days or weeks",
	} {
		if got, err := ParseDuration(text); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v, %v\nwant %v", text, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"64 KB": 64 << 10, "64K": 64 << 10, "64 k": 64 << 10, "64kb": 64 << 10, "1MB": 1 << 20, "1 m": 1 << 20, "1 GB": 1 << 30, "1g": 1 << 30, "2 Gb": 2 << 30,
		"1": 1, "100": 100, "1.5 KB": 1536, ".5K": 512, "1. K": 1024, "+1 K": 1024, "0.25": 0,
		"9223372036854775807": math.MaxInt64, "8589934591 GB": 8589934591 << 30, "0.0009765625 KB": 1,
		"unlimited": Unlimited, "infinite": Unlimited, "never": Unlimited, "none": Unlimited,
	} {
		got, err := ParseSize(text)
		if want == 0 {
			if err == nil {
				t.Errorf("%q: a fraction of a byte is accepted", text)
			}
		} else if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"0":                   "'0' is not a size; for no limit write 'unlimited'",
		"0 KB":                "'0 KB' is not a size; for no limit write 'unlimited'",
		"-1":                  "'-1' is negative; a size is more than 0; for no limit write 'unlimited'",
		"-1 KB":               "'-1 KB' is negative; a size is more than 0; for no limit write 'unlimited'",
		"0.1 KB":              "'0.1 KB' is not a whole number of bytes; write a whole number of bytes",
		"1.5":                 "'1.5' is not a whole number of bytes; write a whole number of bytes",
		"9223372036854775808": "'9223372036854775808' is too large for a size; for no limit write 'unlimited'",
		"8589934592 GB":       "'8589934592 GB' is too large for a size; for no limit write 'unlimited'",
		"5 mins":              "'5 mins' has the unknown unit 'mins'; a unit is KB, MB or GB; without one it is bytes",
		"5 KiB":               "'5 KiB' has the unknown unit 'KiB'; did you mean 'KB'?",
		"5 TB":                "'5 TB' has the unknown unit 'TB'; a unit is KB, MB or GB; without one it is bytes",
		"5 B":                 "'5 B' has the unknown unit 'B'; a unit is KB, MB or GB; without one it is bytes",
		"big":                 "'big' is not a size; a number with a unit is wanted, such as '64 KB' or '1 MB'",
		"Unlimited":           "'Unlimited' is not a size; did you mean 'unlimited'?",
		"1,5 KB":              "'1,5 KB' has the unknown unit ',5 KB'; a unit is KB, MB or GB; without one it is bytes",
		"0x10":                "'0x10' has the unknown unit 'x10'; a unit is KB, MB or GB; without one it is bytes",
	} {
		if got, err := ParseSize(text); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v, %v\nwant %v", text, got, err, want)
		}
	}
	for _, text := range []string{strings.Repeat("9", 1<<20), strings.Repeat("9", 1<<20) + " GB", "0." + strings.Repeat("0", 1<<20) + "1"} {
		if _, err := ParseSize(text); err == nil || len(err.Error()) > 300 {
			t.Errorf("%.20q…: %v", text, err)
		}
	}
}

// FuzzQuantity: nothing panics, and what is accepted is more than 0 or unlimited.
func FuzzQuantity(f *testing.F) {
	for _, s := range []string{"30 s", "1m30s", "1.5h", "5 M", "64 KB", ".5K", "never", "0", "-1", "99999999999999999999 GB", "0.0000001 s", "106752 days"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if good := d > 0 || d == Unlimited && isNoLimit(strings.TrimSpace(s)); (err == nil) != good {
			t.Errorf("%q: %v, %v", s, d, err)
		}
		n, err := ParseSize(s)
		if good := n > 0 || n == Unlimited && isNoLimit(strings.TrimSpace(s)); (err == nil) != good {
			t.Errorf("%q: %v, %v", s, n, err)
		}
	})
}

func TestNearest(t *testing.T) {
	words := []string{"maxMessage", "maxFrame", "echo", "static", "s"}
	for s, want := range map[string]string{
		"maxmessage": "maxMessage", "maxMesage": "maxMessage", "maxFarme": "maxFrame", "ehco": "echo", "statics": "static",
		"x": "", "S": "s", "": "", "proxy": "", strings.Repeat("s", 100): "",
	} {
		if got := nearest(s, words); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}
