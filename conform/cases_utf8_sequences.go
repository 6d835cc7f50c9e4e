package conform

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// utf8Sequences are 6.5 to 6.23: one text message each, valid or not. Vectors are
// only added at the end of a list.
func utf8Sequences() []Case {
	var prefixes []string
	for i := range len(kosme) {
		prefixes = append(prefixes, kosme[:i+1])
	}
	var inside string // all bytes that only continue
	for b := 0x80; b < 0xc0; b++ {
		inside += string([]byte{byte(b)})
	}
	lonely := func(from, to int) string {
		var s strings.Builder
		for b := from; b <= to; b++ {
			s.Write([]byte{byte(b), ' '})
		}
		return s.String()
	}
	unfinished := []string{
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	nobody := []string{"\ufffe", "\uffff"} // no characters, but valid
	for plane := rune(1); plane <= 16; plane++ {
		nobody = append(nobody, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	var all []Case
	for i, g := range [...]struct {
		title   string
		vectors []string
	}{
		{"text", []string{"hello$world", "hello¢world", "hello€world", "hello\U00024b62world", kosme}},
		{"a beginning of a text", prefixes},
		{"the first of its length", []string{"\x00", "\u0080", "\u0800", "\U00010000"}},
		{"the first of five or six bytes", []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
		{"the last of its length", []string{"\x7f", "\u07ff", "\uffff", "\U0010ffff"}},
		{"the last of four, five or six bytes", []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf"}},
		{"at a limit", []string{"\ud7ff", "\ue000", "\ufffd", "\U0010ffff", "\xf4\x90\x80\x80"}},
		{"bytes that continue nothing", []string{"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "\x80\xbf\x80\xbf\x80",
			"\x80\xbf\x80\xbf\x80\xbf", inside}},
		{"lonely first bytes", []string{lonely(0xc0, 0xdf), lonely(0xe0, 0xef), lonely(0xf0, 0xf7), lonely(0xf8, 0xfb), lonely(0xfc, 0xfd)}},
		{"the last byte is missing", unfinished},
		{"many without their last byte", []string{strings.Join(unfinished, "")}},
		{"impossible bytes", []string{"\xfe", "\xff", "\xfe\xfe\xff\xff"}},
		{"a slash that is too long", []string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
		{"the last that is too long", []string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
		{"a NUL that is too long", []string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
		{"a surrogate", []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}},
		{"a pair of surrogates", []string{"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf"}},
		{"no character, but valid", nobody},
		{"a special", []string{"\ufff9", "\ufffa", "\ufffb", "\ufffc", "\ufffd", "\ufffe", "\uffff"}},
	} {
		all = append(all, sequences(fmt.Sprintf("6.%d", 5+i), g.title, g.vectors)...)
	}
	return all
}

// sequences is a group of texts that are each sent in one frame, and come back if
// they are valid.
func sequences(prefix, title string, vectors []string) []Case {
	var cases []Case
	for _, v := range vectors {
		c := Case{Title: fmt.Sprintf("%s: %s", title, excerpt([]byte(v))), Rule: ruleOfText, Script: script{echo(text(v))}}
		if !utf8.ValidString(v) {
			c.Rule, c.Script = ruleOfWrong, script{send(text(v)), fails(1007)}
		}
		cases = append(cases, c)
	}
	return group(prefix, specText, "", cases...)
}

// A span is from one byte to another, both included.
type span struct{ low, high byte }

// follows are the bytes that only continue a character.
var follows = span{0x80, 0xbf}

// utf8Rows is table 3-7 of the Unicode Standard, the same as the grammar of RFC
// 3629, 4: which bytes may follow which.
var utf8Rows = [...][]span{
	{{0x00, 0x7f}},
	{{0xc2, 0xdf}, follows},
	{{0xe0, 0xe0}, {0xa0, 0xbf}, follows},
	{{0xe1, 0xec}, follows, follows},
	{{0xed, 0xed}, {0x80, 0x9f}, follows},
	{{0xee, 0xef}, follows, follows},
	{{0xf0, 0xf0}, {0x90, 0xbf}, follows, follows},
	{{0xf1, 0xf3}, follows, follows, follows},
	{{0xf4, 0xf4}, {0x80, 0x8f}, follows, follows},
}

// utf8Table are 6.24 to 6.28: every row of the table, at its limits and beyond.
func utf8Table() []Case {
	var inside, outside, cutShort, cutByAnother []string
	for _, row := range utf8Rows {
		low, high := make([]byte, len(row)), make([]byte, len(row))
		for i, s := range row {
			low[i], high[i] = s.low, s.high
		}
		inside = append(inside, corners(row))
		for i := 1; i < len(row); i++ {
			below, above := slices.Clone(low), slices.Clone(high)
			below[i]--
			above[i]++
			outside = append(outside, "<"+string(below)+">", "<"+string(above)+">")
			cutShort = append(cutShort, "<"+string(low[:i])+">")
			cutByAnother = append(cutByAnother, string(high[:i])+"é")
		}
	}
	tooLong := []string{"a\x80", "é\x80", "€\x80", "😀\x80", "😀\xbf", "\U0010ffff\x80\x80"}
	var impossible []string
	for _, b := range []byte{0xc0, 0xc1, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff} {
		n := -1 // as many as would follow if the pattern went on
		for ones := b; ones&0x80 != 0; ones <<= 1 {
			n++
		}
		impossible = append(impossible, "<"+string([]byte{b})+strings.Repeat("\x80", n)+">")
	}
	return slices.Concat(
		sequences("6.24", "a row of the table, at its limits", inside),
		sequences("6.25", "a byte beyond a row of the table", outside),
		sequences("6.26", "a byte that begins nothing", impossible),
		sequences("6.27", "cut short", slices.Concat(cutShort, cutByAnother)),
		sequences("6.28", "a byte too many", tooLong),
	)
}

// corners are all combinations of the lowest and the highest bytes of a row.
func corners(row []span) string {
	all := []string{""}
	for _, s := range row {
		var next []string
		for _, head := range all {
			next = append(next, head+string([]byte{s.low}), head+string([]byte{s.high}))
		}
		all = next
	}
	return strings.Join(all, "")
}
