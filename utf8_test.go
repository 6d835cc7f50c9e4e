package curlew_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// validTexts are UTF-8 at every boundary. RFC 3629, 3 and 4.
var validTexts = []string{
	"", "ascii", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε",
	"\x00", "\u007f", "\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff",
	"\ud7ff", "\ue000", "\ufffd", "\ufeffBOM", "\ufffe", "\ufdd0", "\U0001fffe", "\U0010fffe",
	"\xf0\x9f\x98\x80", strings.Repeat("é€😀a", 50),
}

// invalidTexts are not.
var invalidTexts = []string{
	"\x80", "\xbf", "\xc0", "\xc1", "\xf5", "\xfe", "\xff", "a\xff", // impossible or alone
	"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", // overlong
	"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", // five and six bytes
	"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\xad\xbf", // surrogates
	"κόσμε\xed\xa0\x80edited", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80",
	"\xc2a", "\xe2\x82a", "\xf0\x9f\x98a", "\xe2a\x82",
}

func TestU1_Valid(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, &curlew.Options{MaxFragments: -1})
		for _, text := range validTexts {
			s.p.Send(wstest.Text(text))
			s.p.Want("whole", wstest.Text(text))
			s.p.Send(wstest.Text(text).Split(1)...)
			s.p.Want("a byte a fragment", wstest.Text(text))
		}
	})
}

// TestU1_Prefixes: every prefix of a text is a message if and only if it ends
// with a character.
func TestU1_Prefixes(t *testing.T) {
	for _, text := range validTexts[3:20] {
		for n := range len(text) {
			t.Run(fmt.Sprintf("%q", text[:n]), func(t *testing.T) {
				s := open(t, memory, everyDriver[n%3], curlew.Server, nil)
				s.p.Send(wstest.Text(text[:n]))
				if utf8.ValidString(text[:n]) {
					s.p.Want("whole characters", wstest.Text(text[:n]))
				} else {
					s.p.WantClose("cut", 1007, wstest.AnyReason)
				}
			})
		}
	}
}

func TestU1_Invalid(t *testing.T) {
	var rows []violation
	for _, text := range invalidTexts {
		rows = append(rows,
			violation{name: fmt.Sprintf("%q", text), bad: []wstest.Frame{wstest.Text(text)}, code: 1007},
			violation{name: fmt.Sprintf("%q/split", text), role: curlew.Client, bad: wstest.Text(text + "end").Split(1), code: 1007})
	}
	testViolations(t, []kind{memory, chopped}, rows)
	testViolations(t, []kind{overTCP, overTLS}, rows[:2])
}

// TestU2_FailsFast: at the first impossible byte, before the frame has ended.
func TestU2_FailsFast(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		for name, frames := range map[string][]wstest.Frame{
			"in the first fragment":  {wstest.Text("κόσμε\xf4\x90").Length(1000)},
			"in the second fragment": {wstest.More(wstest.Text("fine\xf4")), wstest.Cont("\x90").Length(100)},
			"a surrogate":            {wstest.More(wstest.Text("\xed")), wstest.Cont("\xa0").Length(2)},
		} {
			s := open(t, k, d, curlew.Server, nil)
			s.p.Send(frames...)
			s.p.WantClose(name, 1007, wstest.AnyReason)
			s.p.WantEOF(name)
			s.p.Close()
			s.wantEnd(1007, false, false)
		}
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.More(wstest.Text("\xf4")))
		s.p.WantIdle("so far it may become a character")
	})
}

func TestU3_SplitCharacters(t *testing.T) {
	text := "é€😀"
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		for cut := range len(text) + 1 {
			s.p.Send(wstest.More(wstest.Text(text[:cut])), wstest.Ping("between"), wstest.Cont(text[cut:]))
			s.p.Want("whole again", wstest.Pong("between"), wstest.Text(text))
		}
	})
}

func TestU4_EndsInCharacter(t *testing.T) {
	testViolations(t, everyKind, []violation{
		{name: "whole", bad: []wstest.Frame{wstest.Text("cut \xe2\x82")}, code: 1007},
		{name: "fragments", bad: []wstest.Frame{wstest.More(wstest.Text("cut \xe2")), wstest.Cont("\x82")}, code: 1007},
		{name: "empty last", role: curlew.Client, bad: []wstest.Frame{wstest.More(wstest.Text("\xe2")), wstest.Cont("")}, code: 1007},
	})
}

func TestU5_Unchanged(t *testing.T) {
	const text = "\ufeff\x00\ufffe\uffff\U0010ffff"
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		s.p.Send(wstest.Text(text))
		s.p.Want("unchanged", wstest.Text(text))
		s.wantMessages("text " + text)
	})
}

func TestU6_U7_OutOfRange(t *testing.T) {
	testViolations(t, everyKind, []violation{
		{name: "U6", bad: []wstest.Frame{wstest.Text("\xf4\x90\x80\x80")}, code: 1007},
		{name: "U7", bad: []wstest.Frame{wstest.Text("\xed\xa0\x80\xed\xb0\x80")}, code: 1007},
	})
}

// TestU9_OwnText: what is not UTF-8 is not sent as text, and the connection
// lives; unless the check is off.
func TestU9_OwnText(t *testing.T) {
	bad := []byte("\xff")
	s := open(t, memory, byRead, curlew.Server, nil)
	for name, err := range map[string]error{
		"Write": s.c.Write(t.Context(), curlew.Text, bad),
		"Send":  s.c.Send(curlew.Text, bad),
	} {
		if !errors.Is(err, curlew.ErrInvalidUTF8) {
			t.Errorf("%s = %v, want ErrInvalidUTF8", name, err)
		}
	}
	s.p.Send(wstest.Text("alive"))
	s.p.Want("nothing but the echo", wstest.Text("alive"))

	s = open(t, memory, byRead, curlew.Server, &curlew.Options{AllowInvalidUTF8: true})
	if err := s.c.Write(t.Context(), curlew.Text, bad); err != nil {
		t.Error(err)
	}
	s.p.Want("unchecked", wstest.Text("\xff"))
	s.p.Send(wstest.Text("\xff\xfe"))
	s.p.Want("unchecked both ways", wstest.Text("\xff\xfe"))
}

func TestU10_Binary(t *testing.T) {
	each(t, everyKind, func(t *testing.T, k kind, d driver) {
		s := open(t, k, d, curlew.Server, nil)
		for _, text := range invalidTexts {
			s.p.Send(wstest.Binary([]byte(text)))
			s.p.Want("any bytes", wstest.Binary([]byte(text)))
		}
	})
}

func TestU12_LateError(t *testing.T) {
	text := bytes.Repeat([]byte("κόσμε..."), 16<<20/13)
	o := &curlew.Options{MaxMessage: -1}
	s := open(t, memory, byEvents, curlew.Server, o)
	s.p.Send(wstest.Text(string(text) + "\xff"))
	s.p.WantClose("the last byte", 1007, wstest.AnyReason)
	s.wantMessages()
}
