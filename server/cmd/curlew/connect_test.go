package main

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
)

func newDiscard() *log.Logger { return log.New(io.Discard, "", 0) }

func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// CC20: an interrupt, and the end of the connection, while input is awaited.
func TestCC20InterruptAndEnd(t *testing.T) {
	srv := httptest.NewServer(peerHandler())
	defer srv.Close()
	url := "ws" + strings.TrimPrefix(srv.URL, "http")

	in, hold := io.Pipe()
	defer hold.Close()
	ctx, cancel := context.WithCancel(t.Context())
	var out strings.Builder
	p := &Program{Stdin: in, Stdout: writerFunc(func(b []byte) (int, error) {
		if strings.HasSuffix(string(b), "three\n") {
			cancel()
		}
		return out.Write(b)
	}), Stderr: io.Discard}
	if code := p.Run(ctx, []string{"connect", url + "/three"}); code != 0 {
		t.Errorf("interrupted: exit code %d", code)
	}

	if code, _, errs := run(t.Context(), in, "connect", url+"/close/4000"); code != 1 || !strings.Contains(errs, "closed by the server: 4000: because") {
		t.Errorf("closed with 4000: exit code %d, %q", code, errs)
	}
	for _, path := range []string{"/close/1000", "/close/1001"} {
		if code, _, errs := run(t.Context(), in, "connect", url+path); code != 0 {
			t.Errorf("%s: exit code %d, %q", path, code, errs)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// CC20: a reader of our output that has gone.
func TestCC20OutputGone(t *testing.T) {
	srv := httptest.NewServer(peerHandler())
	defer srv.Close()
	in, hold := io.Pipe()
	defer hold.Close()
	p := &Program{
		Stdin: in, Stderr: io.Discard,
		Stdout: writerFunc(func([]byte) (int, error) { return 0, errors.New("broken pipe") }),
	}
	if code := p.Run(t.Context(), []string{"connect", "ws" + strings.TrimPrefix(srv.URL, "http") + "/three"}); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// CC9: a terminal gets no orders.
func TestCC9Lines(t *testing.T) {
	var b strings.Builder
	l := &lines{w: &b, terminal: true}
	for _, c := range []struct {
		t    curlew.Type
		in   string
		raw  bool
		want string
	}{
		{curlew.Text, "plain ü 🐦\ttab", false, "plain ü 🐦\ttab\n"},
		{curlew.Text, "two\nlines", false, "two\nlines\n"},
		{curlew.Text, orders, false, `\x1b[2J\x1b]52;c;cm0gLXJm\x07 \u009b31m \u202etxt.exe\x0d over` + "\n"},
		{curlew.Text, "\xff\ufffd", false, `\xff\ufffd` + "\n"},
		{curlew.Binary, "\x1b[2J", false, "1b5b324a\n"},
	} {
		b.Reset()
		l.message(c.t, []byte(c.in), c.raw)
		if b.String() != c.want {
			t.Errorf("%q: %q, want %q", c.in, b.String(), c.want)
		}
	}
	for r := rune(0); r <= 0x10ffff; r++ {
		out := printable(string(r))
		for _, g := range out {
			if g != '\n' && g != '\t' && (g < ' ' || g >= 0x7f && g < 0xa0 || g >= 0x202a && g <= 0x202e || g >= 0x2066 && g <= 0x2069) {
				t.Fatalf("%U passes as %q", r, out)
			}
		}
	}
}

func TestReaderLines(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	in := newReader(strings.NewReader("a\r\n\n" + long + "\nlast"))
	for _, want := range []string{"a", "", long, "last"} {
		got, err := in.line()
		if err != nil || string(got) != want {
			t.Fatalf("%.20q %v, want %.20q", got, err, want)
		}
	}
	if _, err := in.line(); err != io.EOF {
		t.Error(err)
	}
}

// A side sees the same frames however the bytes come.
func TestTapSplits(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n"
	var b []byte
	add := func(h frame.Header, payload string) {
		h.Length = int64(len(payload))
		b = h.Append(b)
		p := []byte(payload)
		if h.Masked {
			frame.Mask(p, h.Key, 0)
		}
		b = append(b, p...)
	}
	add(frame.Header{Opcode: frame.Text, Masked: true, Key: [4]byte{1, 2, 3, 4}}, "he\x1b")
	add(frame.Header{Fin: true, Opcode: frame.Continuation}, strings.Repeat("l", 200))
	add(frame.Header{Fin: true, Opcode: frame.Ping}, "")
	add(frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Binary}, "\x01\x02")
	add(frame.Header{Fin: true, Opcode: frame.Close}, "\x03\xe8bye")
	all := head + string(b)
	seen := func(pieces ...string) (list []string) {
		s := side{show: func(h frame.Header, start []byte) { list = append(list, describe(h, start)) }}
		for _, p := range pieces {
			s.pass([]byte(p))
		}
		return list
	}
	want := []string{
		`text         MASK           3 bytes  "he\x1b"`,
		`continuation FIN          200 bytes  6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c6c…`,
		`ping         FIN            0 bytes`,
		`binary       FIN+RSV1       2 bytes  0102`,
		`close        FIN            5 bytes  1000 normal closure bye`,
	}
	whole := seen(all)
	if strings.Join(whole, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(whole, "\n"))
	}
	if got := seen(strings.Split(all, "")...); strings.Join(got, "\n") != strings.Join(whole, "\n") {
		t.Errorf("byte by byte: %q", got)
	}
	for i := range all {
		if got := seen(all[:i], all[i:]); strings.Join(got, "\n") != strings.Join(whole, "\n") {
			t.Errorf("split at %d: %q", i, got)
		}
	}
}

func FuzzTap(f *testing.F) {
	f.Add("HTTP/1.1 101 x\r\n\r\n\x81\x01a\x88\x02\x03\xe8", 20)
	f.Fuzz(func(t *testing.T, s string, cut int) {
		if cut < 0 || cut > len(s) {
			cut = len(s)
		}
		count := func(pieces ...string) (n int) {
			x := side{show: func(h frame.Header, start []byte) { describe(h, start); n++ }}
			for _, p := range pieces {
				x.pass([]byte(p))
			}
			return n
		}
		if count(s) != count(s[:cut], s[cut:]) {
			t.Errorf("%q split at %d", s, cut)
		}
	})
}
