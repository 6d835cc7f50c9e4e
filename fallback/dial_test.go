package fallback

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
)

func TestEcho(t *testing.T) {
	for _, mode := range []string{"stream", "sse", "poll", ""} {
		t.Run(mode, func(t *testing.T) {
			in(t, echoes(&curlew.Options{MaxMessage: 4 << 20, SendQueue: 8 << 20}), nil, func(h *house) {
				c, err := h.dial(mode, &DialOptions{})
				if err != nil {
					t.Fatal(err)
				}
				for _, n := range []int{0, 1, 125, 70000, 1 << 20} {
					p := bytes.Repeat([]byte("x"), n)
					if err := c.Write(h.t.Context(), curlew.Text, p); err != nil {
						t.Fatal(n, err)
					}
					_, got, err := c.Read(h.t.Context(), nil)
					if err != nil || !bytes.Equal(got, p) {
						t.Fatal(n, len(got), err)
					}
				}
				c.Close(curlew.NormalClosure, "bye")
				if _, _, err := c.Read(h.t.Context(), nil); !err.(*curlew.CloseError).Orderly() {
					t.Error(err)
				}
			})
		})
	}
}

// FB4: a body of as many frames as there is room for costs no more than one frame of
// that size: they are read like those of a WebSocket, under the same limits.
func TestFB4_ManyFrames(t *testing.T) {
	const empty = "\x01\x80\x00\x00\x00\x00" // the beginning of a text, masked
	const more = "\x00\x80\x00\x00\x00\x00"  // its continuation
	in(t, echoes(nil), nil, func(h *house) {
		a := h.want("open", h.do("POST", "curlew=open", ""), 200)
		v := &visit{house: h, id: strings.Split(a.body, `"`)[3]}
		s := v.stream("at=0&mode=stream", greeting)
		v.post("at=0", empty+strings.Repeat(more, defaultWindow/len(more)-1))
		s.wants("\x88") // a Close
		s.body.Close()
		v.delete()
	})
}

// FB7: a WebSocket and sessions at the same URL know nothing of each other, whoever
// comes first and whatever becomes of the others. There is no change from one to the
// other.
func TestFB7_SideBySide(t *testing.T) {
	in(t, echoes(nil), nil, func(h *house) {
		var all []*curlew.Conn
		for _, mode := range []string{"stream", "", "sse", "poll"} {
			c, err := h.dial(mode, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, c)
			ws, err := curlew.Dial(h.t.Context(), h.base, &curlew.DialOptions{DialContext: h.network.DialContext})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, ws)
		}
		_, err := curlew.Dial(h.t.Context(), h.base+"?curlew=open", &curlew.DialOptions{DialContext: h.network.DialContext})
		if e, ok := errors.AsType[*curlew.HandshakeError](err); !ok || e.Status != 405 {
			t.Error(err)
		}
		for i := range 20 {
			for j, c := range all {
				c.Write(h.t.Context(), curlew.Text, fmt.Appendf(nil, "%d %d", i, j))
			}
			for j, c := range all {
				if _, p, err := c.Read(h.t.Context(), nil); string(p) != fmt.Sprintf("%d %d", i, j) {
					t.Fatalf("%d of %d: %q, %v", i, j, p, err)
				}
			}
			if i == 10 {
				all[2].Abort(nil)
				all[3].Abort(nil)
				all = append(all[:2:2], all[4:]...)
			}
		}
		for _, c := range all {
			c.Close(curlew.NormalClosure, "")
		}
		h.pass(time.Second)
	})
}
