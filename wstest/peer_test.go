package wstest_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// twoPeers returns a server and a client that talk to each other.
func twoPeers(t testing.TB) (s, c *wstest.Peer, a, b *wstest.End) {
	a, b = wstest.NewLink(nil)
	return wstest.NewPeer(t, a, curlew.Server), wstest.NewPeer(t, b, curlew.Client), a, b
}

// A mock notes the failure of a test that is to fail.
type mock struct {
	testing.TB
	failure string
}

func (m *mock) Helper() {}

func (m *mock) Fatalf(format string, args ...any) {
	m.failure = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failure runs f, which is to fail, and returns how.
func failure(t *testing.T, f func(t testing.TB)) string {
	t.Helper()
	m := &mock{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(m)
	}()
	<-done
	if m.failure == "" {
		t.Fatal("did not fail")
	}
	return m.failure
}

func TestPeerTalks(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789"), 30)
	frames := []wstest.Frame{
		wstest.Text("hello"),
		wstest.Text(""),
		wstest.Binary(long),
		wstest.Binary(make([]byte, 70000)),
		wstest.More(wstest.Text("he")),
		wstest.Ping("between"),
		wstest.More(wstest.Cont("ll")),
		wstest.Cont("o"),
		wstest.Pong(""),
		wstest.Text("packed").Reserved(frame.RSV1),
		wstest.Op(11, []byte("unknown")).Reserved(7),
		wstest.Close(1000, "bye"),
		wstest.Close(frame.NoStatus, ""),
		wstest.Close(9999, ""),
	}
	inAndOut(t, func(t *testing.T) {
		s, c, a, b := twoPeers(t)
		a.Segment(1000)
		b.LimitRead(700)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Want("the same", frames...)
		}()
		s.Send(frames...)
		<-done
		go c.Send(frames...)
		s.Want("the same, masked", frames...)
	})
}

func TestPeerWants(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		s, c, _, _ := twoPeers(t)
		s.Send(wstest.Text("hello").Split(2)...)
		c.WantMessage("in pieces", curlew.Text, []byte("hello"))
		c.Send(wstest.Binary(nil))
		s.WantMessage("whole", curlew.Binary, nil)
		s.Send(wstest.Text("x"))
		if f := c.Next("any"); f.Opcode != frame.Text || string(f.Payload) != "x" || !f.Fin {
			t.Errorf("Next = %v", f)
		}
		s.Send(wstest.Close(4000, "because"), wstest.Close(frame.NoStatus, ""), wstest.Close(1002, "whatever"))
		c.WantClose("both", 4000, "because")
		c.WantClose("empty", frame.NoStatus, "")
		c.WantClose("code alone", 1002, wstest.AnyReason)
		s.CloseWrite()
		c.WantEOF("after CloseWrite")
		c.Send(wstest.Text("still"))
		s.Want("the other way", wstest.Text("still"))
		c.Conn().(*wstest.End).Reset()
		s.WantReset("reset")
	})
}

func TestPeerWantIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c, _, _ := twoPeers(t)
		s.WantIdle("at the beginning")
		go func() {
			time.Sleep(time.Second)
			c.Send(wstest.Text("later"))
		}()
		start := time.Now()
		s.WantIdle("until later")
		if d := time.Since(start); d != 0 {
			t.Errorf("WantIdle let %v go by", d)
		}
		s.Want("now", wstest.Text("later"))

		got := failure(t, func(t testing.TB) {
			s, c, _, _ := twoPeers(t)
			c.Send(wstest.Raw([]byte{0x81}))
			s.WantIdle("half a header")
		})
		if !strings.Contains(got, "beginning of a frame") {
			t.Errorf("failed with %s", got)
		}
	})
	// Outside of a bubble a ping is what shows it.
	s, c, _, _ := twoPeers(t)
	c.Send(wstest.Pong("wstest 1"))
	s.WantIdle("before the pong")
	c.Want("the ping", wstest.Ping("wstest 1"))
}

func TestPeerFails(t *testing.T) {
	tests := []struct {
		name string
		f    func(s, c *wstest.Peer)
		want []string
	}{
		{"another frame", func(s, c *wstest.Peer) {
			s.Send(wstest.Ping("x"), wstest.Text("hi"))
			c.Want("a greeting", wstest.Ping("x"), wstest.Text("hello"))
		}, []string{"a greeting:", `want text "hello"`, `got text "hi"`, `got  ping "x"`}},
		{"one bit", func(s, c *wstest.Peer) {
			s.Send(wstest.Text("hi").Reserved(frame.RSV2))
			c.Want("plain", wstest.Text("hi"))
		}, []string{`got text RSV2 "hi"`}},
		{"long payloads", func(s, c *wstest.Peer) {
			s.Send(wstest.Binary(append(make([]byte, 200), 1)))
			c.Want("zeros", wstest.Binary(make([]byte, 201)))
		}, []string{"part at byte 200", "201 bytes"}},
		{"not masked", func(s, c *wstest.Peer) {
			c.Send(wstest.Text("hi").Unmasked())
			s.Want("masked", wstest.Text("hi"))
		}, []string{"masked or not"}},
		{"masked", func(s, c *wstest.Peer) {
			s.Send(wstest.Text("hi").Masked())
			c.Want("not masked", wstest.Text("hi"))
		}, []string{"masked or not"}},
		{"length form", func(s, c *wstest.Peer) {
			s.Send(wstest.Text("hi").Wide(16))
			c.Want("shortest", wstest.Text("hi"))
		}, []string{"shortest form"}},
		{"end", func(s, c *wstest.Peer) {
			s.Close()
			c.Want("more", wstest.Text("hi"))
		}, []string{`want text "hi"`, "got EOF", "end of stream: EOF"}},
		{"no end", func(s, c *wstest.Peer) {
			s.Send(wstest.Text("hi"))
			c.WantEOF("end")
		}, []string{"want the end of the stream", `got text "hi"`}},
		{"end not reset", func(s, c *wstest.Peer) {
			s.Close()
			c.WantReset("reset")
		}, []string{"want a reset", "got EOF"}},
		{"half a frame before the end", func(s, c *wstest.Peer) {
			s.Send(wstest.Text("hi").Length(3))
			s.Close()
			c.WantEOF("end")
		}, []string{"beginning of a frame before"}},
		{"another close", func(s, c *wstest.Peer) {
			s.Send(wstest.Close(1002, "x"))
			c.WantClose("1001", 1001, wstest.AnyReason)
		}, []string{"want close 1001", `got close 1002 "x"`}},
		{"late", func(s, c *wstest.Peer) {
			c.Patience = 1
			c.Want("soon", wstest.Text("hi"))
		}, []string{"timeout"}},
		{"closed", func(s, c *wstest.Peer) {
			c.Close()
			c.Send(wstest.Text("hi"))
		}, []string{"could not send", `send text "hi"`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := failure(t, func(t testing.TB) {
				s, c, _, _ := twoPeers(t)
				test.f(s, c)
			})
			for _, want := range test.want {
				if !strings.Contains(got, want) {
					t.Errorf("failed without %q:\n%s", want, got)
				}
			}
		})
	}
}

// TestFrameAppend: the bytes of frames, the impossible ones too.
func TestFrameAppend(t *testing.T) {
	key := [4]byte{1, 2, 3, 4}
	tests := []struct {
		f    wstest.Frame
		want string
	}{
		// RFC 6455, 5.7.
		{wstest.Text("Hello"), "\x81\x05Hello"},
		{wstest.Text("Hello").Key([4]byte{0x37, 0xfa, 0x21, 0x3d}),
			"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{wstest.More(wstest.Text("Hel")), "\x01\x03Hel"},
		{wstest.Cont("lo"), "\x80\x02lo"},
		{wstest.Ping("Hello"), "\x89\x05Hello"},
		{wstest.Pong("Hello").Key([4]byte{0x37, 0xfa, 0x21, 0x3d}),
			"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		// Others.
		{wstest.Text("\x00").Masked(), "\x81\x81\x01\x02\x03\x04\x01"},
		{wstest.Text("x").Wide(16), "\x81\x7e\x00\x01x"},
		{wstest.Text("x").Wide(64), "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x01x"},
		{wstest.Text("\x00").Wide(16).Masked(), "\x81\xfe\x00\x01\x01\x02\x03\x04\x01"},
		{wstest.Text("x").Length(-1).Wide(64), "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xffx"},
		{wstest.Text("x").Length(100), "\x81\x64x"},
		{wstest.Op(3, nil).Reserved(frame.RSV3), "\x93\x00"},
		{wstest.Close(1000, "ok"), "\x88\x04\x03\xe8ok"},
		{wstest.Close(frame.NoStatus, ""), "\x88\x00"},
		{wstest.Raw([]byte("GET /")), "GET /"},
	}
	for _, test := range tests {
		if got := test.f.Append(nil, false, key); string(got) != test.want {
			t.Errorf("%v:\n got %x\nwant %x", test.f, got, test.want)
		}
	}
	if got := wstest.Text("\x00").Append(nil, true, key); string(got) != "\x81\x81\x01\x02\x03\x04\x01" {
		t.Errorf("of a client: %x", got)
	}
}

// TestPeerOverTLS: a Peer runs on any net.Conn, idleness in a bubble included.
func TestPeerOverTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NewLink(nil)
		cert := wstest.Certificate("example.com")
		var server, client net.Conn = tls.Server(a, &tls.Config{Certificates: []tls.Certificate{cert}}),
			tls.Client(b, &tls.Config{RootCAs: wstest.Roots(cert), ServerName: "example.com"})
		s := wstest.NewPeer(t, server, curlew.Server)
		c := wstest.NewPeer(t, client, curlew.Client)
		go c.Send(wstest.Text("over TLS"))
		s.Want("text", wstest.Text("over TLS"))
		s.WantIdle("no more")
		c.Close()
		s.WantEOF("close_notify")
	})
}
