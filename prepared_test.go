package curlew_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/frame"
	"curlew.example/curlew/wstest"
)

// parameters are connections that differ in how a message leaves on them.
var parameters = []struct {
	name   string
	o      curlew.Options
	offers []string
}{
	{"plain", curlew.Options{}, nil},
	{"small frames", curlew.Options{MaxFrame: 100}, nil},
	{"compressed", curlew.Options{Compression: &curlew.Compression{}}, []string{offer}},
	{"all compressed", curlew.Options{Compression: &curlew.Compression{MinSize: -1}}, []string{offer}},
	{"compressed well", curlew.Options{Compression: &curlew.Compression{Level: 9}}, []string{offer}},
	{"compressed, small frames", curlew.Options{MaxFrame: 50, Compression: &curlew.Compression{MinSize: -1}}, []string{offer}},
	{"10 bits", curlew.Options{Compression: &curlew.Compression{}}, []string{offer + "; server_max_window_bits=10"}},
	{"8 bits", curlew.Options{Compression: &curlew.Compression{MinSize: -1}}, []string{offer + "; server_max_window_bits=8"}},
	{"takeover", curlew.Options{Compression: &curlew.Compression{MinSize: -1, ServerContext: true}}, []string{offer}},
	{"takeover declined", curlew.Options{Compression: &curlew.Compression{ServerContext: true}}, []string{offer + "; server_no_context_takeover"}},
	{"declined", curlew.Options{Compression: &curlew.Compression{}}, []string{"x-other"}},
	{"preserved", curlew.Options{PreserveFrames: true, Compression: &curlew.Compression{}}, []string{offer}},
	{"window takeover", curlew.Options{Compression: &curlew.Compression{ServerContext: true}}, []string{offer + "; server_max_window_bits=9"}},
}

// PD28: a prepared message leaves on every connection, byte for byte, as if it
// had been sent on that one alone, and a context goes on behind it.
func TestPD28_Prepared(t *testing.T) {
	var messages []*curlew.Prepared
	var payloads [][]byte
	for _, n := range []int{0, 1, 99, 600, 5000, 70_000, 600} {
		p := repeating(n)
		payloads = append(payloads, p)
		messages = append(messages, curlew.Prepare(curlew.Text, p))
	}
	const again = 2 // the second time every encoding is there already
	for _, k := range []kind{memory, overTCP} {
		for _, c := range parameters {
			t.Run(k.name+"/"+c.name, func(t *testing.T) {
				one, peer, _ := acceptPacked(t, k, &c.o, c.offers...)
				other, twin, _ := acceptPacked(t, k, &c.o, c.offers...)
				ctx := t.Context()
				go func() {
					for i := range again * len(messages) {
						one.SendPrepared(messages[i%len(messages)])
						one.Write(ctx, curlew.Binary, []byte("between"))
					}
				}()
				go func() {
					for i := range again * len(messages) {
						other.Write(ctx, curlew.Text, payloads[i%len(messages)])
						other.Write(ctx, curlew.Binary, []byte("between"))
					}
				}()
				for range again * len(messages) * 2 {
					for fin := false; !fin; {
						want := twin.Next("a frame of the message that was written")
						got := peer.Next("a frame of the one that was prepared")
						if got.Fin != want.Fin || got.RSV != want.RSV || got.Opcode != want.Opcode || !bytes.Equal(got.Payload, want.Payload) {
							t.Fatalf("prepared %v\nwritten  %v", got, want)
						}
						fin = want.Fin
					}
				}
			})
		}
	}
}

// A client's prepared messages are masked for each connection.
func TestPD28_PreparedByClient(t *testing.T) {
	m := curlew.Prepare(curlew.Text, repeating(1000))
	c, p := dialPacked(t, memory, compression(curlew.Compression{ServerContext: true}), offer)
	for range 2 {
		c.SendPrepared(m)
	}
	one, two := p.Next("it"), p.Next("it again")
	if one.RSV != frame.RSV1 || !bytes.Equal(one.Payload, two.Payload) {
		t.Errorf("%v\n%v", one, two)
	}
}

// One message goes to many connections from many goroutines at once.
func TestPreparedToMany(t *testing.T) {
	const times = 5
	m := curlew.Prepare(curlew.Text, repeating(3000))
	want := string(repeating(3000))
	var conns []*curlew.Conn
	var wg sync.WaitGroup
	for i := range 40 {
		var s, client *curlew.Conn
		if i%3 == 0 {
			s, client = wstest.Pipe(nil, nil)
			t.Cleanup(func() { s.Abort(nil); client.Abort(nil) })
		} else {
			o := compression(curlew.Compression{MinSize: -1, ServerContext: i%3 == 1})
			s, client = packedPair(t, memory, o, o)
		}
		conns = append(conns, s)
		wg.Go(func() {
			for range times {
				_, got, err := client.Read(t.Context(), nil)
				if err != nil || string(got) != want {
					t.Errorf("connection %d: %d bytes, %v", i, len(got), err)
					return
				}
			}
		})
	}
	for range times {
		wg.Go(func() {
			for _, c := range conns {
				if err := c.SendPrepared(m); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// What Prepare was given counts, not what Options of a connection say of text:
// they refuse it.
func TestPreparedRefused(t *testing.T) {
	s, _ := wstest.Pipe(&curlew.Options{MaxMessage: 10}, nil)
	defer s.Abort(nil)
	for _, c := range []struct {
		t    curlew.Type
		p    string
		want string
	}{
		{curlew.Text, strings.Repeat("x", 11), "larger"},
		{curlew.Text, "\xff", "UTF-8"},
		{7, "x", "neither"},
	} {
		err := s.SendPrepared(curlew.Prepare(c.t, []byte(c.p)))
		if err == nil || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%v %q: %v", c.t, c.p, err)
		}
	}
	if n := s.Info().Queued; n != 0 {
		t.Errorf("%d bytes wait", n)
	}
}
