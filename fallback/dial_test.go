package fallback

import (
	"bytes"
	"testing"

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
