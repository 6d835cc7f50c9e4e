package curlew_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// deflated is p as a compressed payload. RFC 7692, 7.2.1.
func deflated(t testing.TB, p string) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(p))
	w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// packedText is a compressed text message.
func packedText(t testing.TB, s string) wstest.Frame {
	return wstest.Text(deflated(t, s)).Reserved(frame.RSV1)
}

const offer = "permessage-deflate"

// wantPacked wants a message that may be compressed.
func wantPacked(s *subject, want string) {
	s.t.Helper()
	f := s.p.Next("an answer")
	got := string(f.Payload)
	if f.RSV == frame.RSV1 {
		r := flate.NewReader(strings.NewReader(got + "\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
		b := new(bytes.Buffer)
		if _, err := b.ReadFrom(r); err != nil {
			s.t.Fatalf("%v: %v", f, err)
		}
		got = b.String()
	}
	if got != want || !f.Fin {
		s.t.Fatalf("got %.100q, want %.100q", got, want)
	}
}

// testPackedViolations is testViolations where compression was agreed.
func testPackedViolations(t *testing.T, rows []violation) {
	for _, k := range everyKind {
		for _, row := range rows {
			t.Run(k.name+"/"+row.name, func(t *testing.T) {
				s := openPacked(t, k, row.o, offer)
				s.p.Send(row.bad...)
				s.p.Send(wstest.Text("not heard"))
				s.p.WantClose("the failure", row.code, wstest.AnyReason)
				s.p.WantEOF("our side ends")
				s.p.Close()
				s.wantEnd(row.code, false, false)
				s.wantMessages()
			})
		}
	}
}

func TestFR32_ReservedBitsWhileCompressed(t *testing.T) {
	begin := wstest.More(packedText(t, "hello"))
	testPackedViolations(t, []violation{
		{name: "RSV2", bad: []wstest.Frame{begin, wstest.Cont("").Reserved(frame.RSV2)}, code: 1002},
		{name: "RSV3 on a ping", bad: []wstest.Frame{begin, wstest.Ping("").Reserved(frame.RSV3)}, code: 1002},
		{name: "PD4 RSV1 on a continuation", bad: []wstest.Frame{begin, wstest.Cont("").Reserved(frame.RSV1)}, code: 1002},
		{name: "PD4 RSV1 on a ping", bad: []wstest.Frame{wstest.Ping("").Reserved(frame.RSV1)}, code: 1002},
		{name: "PD4 RSV1 on a Close", bad: []wstest.Frame{wstest.Close(1000, "").Reserved(frame.RSV1)}, code: 1002},
		{name: "PD5 RSV1 on the second only", bad: []wstest.Frame{wstest.More(wstest.Text("")), wstest.Cont("x").Reserved(frame.RSV1)}, code: 1002},
	})
}

func TestU8_CompressedText(t *testing.T) {
	testPackedViolations(t, []violation{
		{name: "invalid", bad: []wstest.Frame{packedText(t, "bad \xff")}, code: 1007},
		{name: "cut", bad: []wstest.Frame{packedText(t, "cut \xe2\x82")}, code: 1007},
		{name: "fragments", bad: packedText(t, strings.Repeat("κόσμε", 100)+"\xed\xa0\x80").Split(3), code: 1007},
		{name: "uncompressed", bad: []wstest.Frame{wstest.Text("\xff")}, code: 1007},
		{name: "PD8 bad block", bad: []wstest.Frame{wstest.Text("\xff\xff\xff").Reserved(frame.RSV1)}, code: 1007},
	})
	for _, k := range everyKind {
		s := openPacked(t, k, nil, offer)
		for _, text := range validTexts {
			s.p.Send(packedText(t, text))
			wantPacked(s, text)
			s.p.Send(packedText(t, text).Split(1)...)
			wantPacked(s, text)
		}
	}
}

// TestFR15_CompressedFragments: pings between compressed fragments, and messages
// that are not compressed, leave the context alone. PD6, PD26.
func TestFR15_CompressedFragments(t *testing.T) {
	for _, k := range everyKind {
		s := openPacked(t, k, &curlew.Options{Compression: &curlew.Compression{ClientContext: true, ServerContext: true}}, offer)
		text := strings.Repeat("again and again, ", 50)
		for i := range 3 {
			for j, f := range packedText(t, text).Split(5) {
				s.p.Send(f)
				if !f.Fin {
					m := fmt.Sprint(i, j)
					s.p.Send(wstest.Ping(m))
					s.p.Want("pong inside", wstest.Pong(m))
				}
			}
			s.p.Next("the echo")
			s.p.Send(wstest.Text("plain"))
			s.p.Next("the echo")
		}
		if got := len(s.received()); got != 6 {
			t.Errorf("%d messages", got)
		}
		for i, m := range s.received() {
			if want := []string{"text " + text, "text plain"}[i%2]; m != want {
				t.Errorf("message %d is %q", i, m)
			}
		}
	}
}

func TestCL17_CloseInsideCompressed(t *testing.T) {
	for _, k := range everyKind {
		s := openPacked(t, k, nil, offer)
		parts := packedText(t, strings.Repeat("never finished ", 100)).Split(10)
		s.p.Send(parts[0], parts[1], wstest.Close(1000, ""))
		s.p.WantClose("the answer", 1000, "")
		s.p.WantEOF("the server ends first")
		s.p.Close()
		s.wantEnd(1000, true, true)
		s.wantMessages()
	}
}

// TestCompressedQueue: messages are compressed as they leave, so that one that
// is dropped, or goes uncompressed, does not break the context.
func TestCompressedQueue(t *testing.T) {
	for _, k := range []kind{memory, overTCP, overTLS} {
		o := &curlew.Options{
			WhenFull: curlew.WhenFullDropOldest, SendQueue: 5000,
			Compression: &curlew.Compression{ServerContext: true, MinSize: 100},
		}
		s := openPacked(t, k, o, offer)
		var context bytes.Buffer // all that was inflated, for one reader
		r := flate.NewReader(&context)
		go func() {
			for n := range 2000 {
				s.c.Send(curlew.Text, fmt.Appendf(nil, "message %4d %s", n, strings.Repeat("x", n%300)))
			}
			s.c.Close(1000, "")
		}()
		last := -1
		for {
			f := s.p.Next("a message")
			if f.Opcode == frame.Close {
				break
			}
			text := string(f.Payload)
			if f.RSV == frame.RSV1 {
				context.Write(f.Payload)
				context.WriteString("\x00\x00\xff\xff")
				buf := make([]byte, 400)
				n := 0
				for context.Len() > 0 || n == 0 {
					k, err := r.Read(buf[n:])
					n += k
					if err != nil {
						t.Fatal(err)
					}
				}
				text = string(buf[:n])
			}
			n := -1
			if _, err := fmt.Sscanf(text, "message %d", &n); err != nil || n <= last {
				t.Fatalf("after message %d: %q", last, text)
			}
			last = n
		}
		if last != 1999 {
			t.Errorf("the last message is %d", last)
		}
	}
}
