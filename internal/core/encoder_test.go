package core

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"curlew.example/curlew/frame"
	"curlew.example/curlew/internal/deflate"
)

// frames takes apart what an Encoder wrote: "text more 4 RSV1", "continuation 3".
func frames(t testing.TB, server bool, b []byte) (list []string, payload []byte) {
	t.Helper()
	for len(b) > 0 {
		h, n, err := frame.Parse(b)
		if err != nil || n == 0 || int64(len(b)-n) < h.Length {
			t.Fatalf("not a whole frame: %v, %x", err, b[:min(len(b), frame.MaxHeader)])
		}
		if h.Masked == server {
			t.Fatalf("server %t, masked %t", server, h.Masked)
		}
		p := bytes.Clone(b[n : n+int(h.Length)])
		frame.Mask(p, h.Key, 0)
		b, payload = b[n+len(p):], append(payload, p...)
		s := h.Opcode.String()
		if !h.Fin {
			s += " more"
		}
		s += fmt.Sprint(" ", len(p))
		if h.RSV == frame.RSV1 {
			s += " RSV1"
		} else if h.RSV != 0 {
			t.Fatalf("reserved bits %b", h.RSV)
		}
		list = append(list, s)
	}
	return list, payload
}

// What a server writes is what RFC 6455, 5.7 shows.
func TestEncoder_Examples(t *testing.T) {
	e := NewEncoder(&EncoderConfig{Server: true, MaxFrame: 1 << 20}, nil)
	for _, c := range []struct {
		got  []byte
		want string
	}{
		{e.Message(nil, frame.Text, []byte("Hello"), false), "\x81\x05Hello"},
		{e.Part(e.Part(nil, frame.Text, []byte("Hel"), false, false, false), frame.Text, []byte("lo"), true, false, false), "\x01\x03Hel\x80\x02lo"},
		{e.Control(nil, frame.Ping, []byte("Hello")), "\x89\x05Hello"},
		{e.Message(nil, frame.Binary, make([]byte, 256), false)[:4], "\x82\x7e\x01\x00"},
		{e.Message(nil, frame.Binary, make([]byte, 65536), false)[:10], "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		{e.Head(nil, frame.Binary, 65536), "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		{e.Message([]byte("before"), frame.Text, nil, false), "before\x81\x00"},
	} {
		if string(c.got) != c.want {
			t.Errorf("%x, want %x", c.got, c.want)
		}
	}
}

// Messages leave in frames of at most maxFrame, but for those that are to be one.
func TestEncoder_Split(t *testing.T) {
	for _, server := range []bool{true, false} {
		e := NewEncoder(&EncoderConfig{Server: server, MaxFrame: 10}, nil)
		for n, want := range map[int]string{
			0:  "[text 0]",
			1:  "[text 1]",
			10: "[text 10]",
			11: "[text more 10 continuation 1]",
			20: "[text more 10 continuation 10]",
			35: "[text more 10 continuation more 10 continuation more 10 continuation 5]",
		} {
			p := []byte(strings.Repeat("x", n))
			list, payload := frames(t, server, e.Message(nil, frame.Text, p, false))
			if got := fmt.Sprint(list); got != want || !bytes.Equal(payload, p) {
				t.Errorf("%d bytes: %s, want %s", n, got, want)
			}
			list, payload = frames(t, server, e.Message(nil, frame.Text, p, true))
			if got, want := fmt.Sprint(list), fmt.Sprintf("[text %d]", n); got != want || !bytes.Equal(payload, p) {
				t.Errorf("%d bytes as one: %s", n, got)
			}
		}
	}
}

func TestEncoder_Parts(t *testing.T) {
	for _, server := range []bool{true, false} {
		e := NewEncoder(&EncoderConfig{Server: server, MaxFrame: 10}, nil)
		type part struct {
			n           int
			last, whole bool
		}
		for _, c := range []struct {
			parts []part
			want  string
		}{
			{[]part{{0, true, false}}, "[binary 0]"},
			{[]part{{3, true, false}}, "[binary 3]"},
			{[]part{{0, false, false}, {0, true, false}}, "[binary more 0 continuation 0]"},
			{[]part{{25, false, false}, {1, true, false}}, "[binary more 10 continuation more 10 continuation more 5 continuation 1]"},
			{[]part{{25, false, true}, {12, true, false}}, "[binary more 25 continuation more 10 continuation 2]"},
			{[]part{{1, false, false}, {25, false, true}, {30, true, true}}, "[binary more 1 continuation more 25 continuation 30]"},
		} {
			var b []byte
			for _, p := range c.parts {
				b = e.Part(b, frame.Binary, make([]byte, p.n), p.last, p.whole, true)
			}
			b = e.Message(b, frame.Text, []byte("x"), false)
			list, _ := frames(t, server, b)
			if got := fmt.Sprint(list); got != strings.TrimSuffix(c.want, "]")+" text 1]" {
				t.Errorf("%v: %s, want %s", c.parts, got, c.want)
			}
		}
	}
}

// Which messages are compressed, and how that shows.
func TestEncoder_Compression(t *testing.T) {
	balanced(t)
	p := []byte(strings.Repeat("compress me, ", 20))
	for _, server := range []bool{true, false} {
		e := NewEncoder(&EncoderConfig{Server: server, MaxFrame: 1000, MinSize: 100}, deflate.NewDeflater(1, 15, false))
		say := func(b []byte) string {
			list, _ := frames(t, server, b)
			return fmt.Sprint(list)
		}
		if got := say(e.Message(nil, frame.Text, p[:99], false)); got != "[text 99]" {
			t.Errorf("PD25 below the threshold: %s", got)
		}
		if got := say(e.Message(nil, frame.Text, p[:100], false)); !strings.HasSuffix(got, "RSV1]") {
			t.Errorf("at the threshold: %s", got)
		}
		if got := say(e.Message(nil, frame.Text, p, true)); got != fmt.Sprintf("[text %d]", len(p)) {
			t.Errorf("as one frame: %s", got)
		}
		if e.Compresses(99) || !e.Compresses(100) {
			t.Error("Compresses says otherwise")
		}
		if e.Plain(99) != server || e.Plain(100) || e.Plain(1001) {
			t.Error("Plain says otherwise")
		}
		// PD5: the bit stands on the first frame alone, also where that is empty.
		b := e.Part(nil, frame.Text, nil, false, false, true)
		b = e.Part(b, frame.Text, p, false, false, false)
		b = e.Part(b, frame.Text, p, true, false, false)
		if got := say(b); strings.Count(got, "RSV1") != 1 || !strings.HasPrefix(got, "[text more 0 RSV1 continuation more ") {
			t.Errorf("a message in pieces: %s", got)
		}
		b = e.Part(nil, frame.Text, p, false, false, false)
		b = e.Part(b, frame.Text, nil, true, false, true)
		if got := say(b); got != fmt.Sprintf("[text more %d continuation 0]", len(p)) {
			t.Errorf("one that began without: %s", got)
		}
		b = e.Control(e.Part(nil, frame.Text, p, false, false, true), frame.Ping, nil)
		b = e.Part(b, frame.Text, p, true, false, true)
		if got := decode(t, packed(Config{Server: !server, MaxMessage: 1 << 20, MaxFragments: 10}), b); !strings.Contains(got, "ping") {
			t.Errorf("PD26: %s", got)
		}
		e.Release()
		e.Release() // does no harm
	}
}

// PD25: what does not compress grows by hardly anything, whatever the window.
func TestPD25_Incompressible(t *testing.T) {
	balanced(t)
	r := rand.New(rand.NewPCG(5, 6))
	for _, level := range []int{1, 6} {
		for _, bits := range []int{8, 12, 15} {
			for _, keep := range []bool{false, true} {
				e := NewEncoder(&EncoderConfig{Server: true, MaxFrame: 1 << 30}, deflate.NewDeflater(level, bits, keep))
				var b []byte
				var want []string
				for _, n := range []int{1, 20, 250, 1000, 16 << 10, 65_000, 65_536} {
					p := noise(r, n)
					at := len(b)
					b = e.Message(b, frame.Binary, p, false)
					if more := len(b) - at - n; more > 5*(n/65535+1)+1+10 {
						t.Errorf("level %d, %d bits, takeover %t: %d bytes more for %d", level, bits, keep, more, n)
					}
					want = append(want, string(p))
				}
				c := client(open)
				c.InflateBits, c.KeepContext = bits, keep
				if got := messages(t, c, [][]byte{b}); !slices.Equal(got, want) {
					t.Errorf("level %d, %d bits, takeover %t: not what was sent", level, bits, keep)
				}
				e.Release()
			}
		}
	}
}

// A client's masks differ from frame to frame and from connection to connection.
func TestEncoder_Masks(t *testing.T) {
	seen := map[[4]byte]bool{}
	for range 100 {
		e := NewEncoder(&EncoderConfig{Server: false, MaxFrame: 100}, nil)
		b := e.Message(nil, frame.Binary, make([]byte, 500), false) // five frames
		b = e.Control(b, frame.Ping, nil)
		for len(b) > 0 {
			h, n, _ := frame.Parse(b)
			seen[h.Key] = true
			b = b[n+int(h.Length):]
		}
	}
	if len(seen) < 599 { // two of 600 may be equal
		t.Errorf("%d different keys of 600", len(seen))
	}
}
