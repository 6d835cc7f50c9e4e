package frame

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The table of bad-inputs.md CL3 and CL4, and every other code by its range.
func specValid(c int) bool {
	if c >= 3000 && c < 5000 {
		return true
	}
	return slices.Contains([]int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}, c)
}

func body(code int, reason string) []byte {
	return append([]byte{byte(code >> 8), byte(code)}, reason...)
}

func TestCL2_BodyOfOneByte(t *testing.T) {
	for b := range 256 {
		if c, r, err := ParseClose([]byte{byte(b)}); c != 0 || r != "" || err != errCloseShort {
			t.Errorf("%x: %v, %q, %v", b, c, r, err)
		}
	}
}

func TestCL3_CL4_EveryCode(t *testing.T) {
	for code := range 1 << 16 {
		c, r, err := ParseClose(body(code, "why"))
		if specValid(code) {
			if int(c) != code || r != "why" || err != nil || CheckClose(c, r) != nil {
				t.Errorf("CL4 %d: %v, %q, %v", code, c, r, err)
			}
		} else if c != 0 || r != "" || err != errCloseCode {
			t.Errorf("CL3 %d: %v, %q, %v", code, c, r, err)
		}
		if Code(code).Valid() != specValid(code) {
			t.Errorf("%d: Valid is %t", code, Code(code).Valid())
		}
	}
}

func TestCL1_EmptyBody(t *testing.T) {
	if c, r, err := ParseClose(nil); c != NoStatus || r != "" || err != nil {
		t.Errorf("%v, %q, %v", c, r, err)
	}
	if p := AppendClose(nil, NoStatus, ""); len(p) != 0 {
		t.Errorf("NoStatus written as %x", p)
	}
}

func TestCL5_ReasonLength(t *testing.T) {
	for n := range MaxReason + 3 {
		reason := strings.Repeat("x", n)
		_, r, err := ParseClose(body(1000, reason))
		if n <= MaxReason && (r != reason || err != nil) || n > MaxReason && err != errCloseLong {
			t.Errorf("%d bytes: %q, %v", n, r, err)
		}
		if err := CheckClose(NormalClosure, reason); (err == nil) != (n <= MaxReason) {
			t.Errorf("%d bytes to send: %v", n, err)
		}
	}
}

func TestCL6_ReasonNotUTF8(t *testing.T) {
	for _, c := range utf8Vectors {
		if len(c.text) > MaxReason {
			continue
		}
		want := (*Error)(nil)
		if c.bad != valid {
			want = errCloseUTF8
		}
		if _, r, err := ParseClose(body(1000, c.text)); err != want || err == nil && r != c.text {
			t.Errorf("%q: %q, %v", c.text, r, err)
		}
		if err := CheckClose(NormalClosure, c.text); (err != nil) != (want != nil) {
			t.Errorf("%q to send: %v", c.text, err)
		}
	}
	if errCloseUTF8.Code != InvalidPayload {
		t.Error(errCloseUTF8.Code)
	}
}

// Control characters are the reader's problem, not the format's.
func TestCL7_ReasonWithControls(t *testing.T) {
	const reason = "\x00\r\n\x1b[31m\u202e"
	if _, r, err := ParseClose(body(4000, reason)); r != reason || err != nil {
		t.Errorf("%q, %v", r, err)
	}
}

// A reason that is too long is cut between characters, never inside one.
func TestCL15_ReasonCut(t *testing.T) {
	for _, char := range []string{"x", "é", "世", "😀"} {
		for shift := range 5 {
			reason := strings.Repeat("-", shift) + strings.Repeat(char, 200)
			p := AppendClose([]byte("before"), PolicyViolation, reason)[len("before"):]
			code, r, err := ParseClose(p)
			if code != PolicyViolation || err != nil || !strings.HasPrefix(reason, r) || len(r) <= MaxReason-len(char) {
				t.Errorf("%q: %v, %q, %v", char, code, r, err)
			}
		}
	}
	// Not even text keeps it from being cut.
	if p := AppendClose(nil, 1000, strings.Repeat("\x80", 200)); len(p) > MaxControl {
		t.Errorf("body of %d bytes", len(p))
	}
}

func TestCL16_CodesNotSent(t *testing.T) {
	for code := range 1 << 16 {
		want := specValid(code) || Code(code) == NoStatus
		if err := CheckClose(Code(code), ""); (err == nil) != want {
			t.Errorf("%d: %v", code, err)
		}
	}
	if CheckClose(NoStatus, "why") == nil {
		t.Error("a reason without a code was let through")
	}
}

// The body is parsed in a buffer that is used again: the reason must not change
// with it.
func TestParseCloseCopies(t *testing.T) {
	p := body(1000, "bye")
	_, r, _ := ParseClose(p)
	p[2] = 'X'
	if r != "bye" {
		t.Errorf("the reason became %q", r)
	}
}

// specParseClose is ParseClose without an order among the rules.
func specParseClose(p []byte) (ok bool) {
	if len(p) == 0 {
		return true
	}
	return len(p) >= 2 && len(p) <= 125 && specValid(int(p[0])*256+int(p[1])) && utf8.Valid(p[2:])
}

func mustParseClose(t *testing.T, p []byte) {
	t.Helper()
	code, reason, err := ParseClose(p)
	if ok := err == nil; ok != specParseClose(p) {
		t.Fatalf("ParseClose(%x) = %v, %q, %v", p, code, reason, err)
	}
	if err != nil {
		if code != 0 || reason != "" || err.Code != ProtocolError && err.Code != InvalidPayload {
			t.Fatalf("ParseClose(%x) = %v, %q, %v with %v", p, code, reason, err, err.Code)
		}
		return
	}
	if err := CheckClose(code, reason); err != nil {
		t.Fatalf("%x was received but may not be sent: %v", p, err)
	}
	if back := AppendClose(nil, code, reason); !bytes.Equal(back, p) {
		t.Fatalf("%x came back as %x", p, back)
	}
}

func TestParseCloseEveryPrefix(t *testing.T) {
	for _, reason := range []string{"bye", "Grüße, 世界 😀", "cut \xe4\xb8", strings.Repeat("x", 130)} {
		for _, code := range []int{999, 1000, 1005, 4999, 5000} {
			p := body(code, reason)
			for n := range len(p) + 1 {
				mustParseClose(t, p[:n])
			}
		}
	}
}

func FuzzParseClose(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3})
	for _, code := range []int{0, 999, 1000, 1004, 1005, 1006, 1015, 2999, 3000, 4999, 5000, 65535} {
		f.Add(body(code, "Grüße"))
	}
	f.Add(body(1000, "cut \xe4\xb8"))
	f.Add(body(1000, strings.Repeat("x", 123)))
	f.Add(body(1000, strings.Repeat("x", 124)))
	f.Fuzz(func(t *testing.T, p []byte) { mustParseClose(t, p) })
}

func TestCodeString(t *testing.T) {
	names := map[Code]string{
		1000: "1000 normal closure", 1001: "1001 going away", 1002: "1002 protocol error", 1003: "1003 unsupported data",
		1005: "1005 no status", 1006: "1006 abnormal closure", 1007: "1007 invalid payload", 1008: "1008 policy violation",
		1009: "1009 message too big", 1010: "1010 mandatory extension", 1011: "1011 internal error", 1012: "1012 service restart",
		1013: "1013 try again later", 1014: "1014 bad gateway", 1015: "1015 TLS failure",
	}
	for code := range 1 << 16 {
		want, named := names[Code(code)]
		if !named {
			want = fmt.Sprint(code)
		}
		if got := Code(code).String(); got != want {
			t.Errorf("%d: %q", code, got)
		}
	}
}

func TestOpcode(t *testing.T) {
	names := map[Opcode]string{0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
	for i := range 256 {
		o := Opcode(i)
		want, named := names[o]
		if !named {
			want = fmt.Sprint("reserved ", i)
		}
		if o.String() != want || o.IsReserved() == named {
			t.Errorf("%d: %q, reserved %t", i, o.String(), o.IsReserved())
		}
		if i < 16 && o.IsControl() != (i&8 != 0) {
			t.Errorf("%d: control %t", i, o.IsControl())
		}
	}
}

func TestErrorText(t *testing.T) {
	if got := errReservedOp.Error(); got != "RFC 6455, 5.2: reserved opcode" {
		t.Error(got)
	}
}
