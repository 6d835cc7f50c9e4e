package fallback

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"curlew.example/curlew"
)

// TestQuietLine: a line on which nobody says anything for hours, not even a ping, is
// not given up because requests fail now and then, or are all cut after a while: the
// server is reached in between.
func TestQuietLine(t *testing.T) {
	errCut := errors.New("cut")
	for _, mode := range []string{"stream", "sse", "poll"} {
		for _, cut := range []string{"some fail", "all are cut"} {
			t.Run(mode+" "+cut, func(t *testing.T) {
				quiet := curlew.Options{PingInterval: -1, InactivityTimeout: -1}
				in(t, echoes(&quiet), nil, func(h *house) {
					n := 0
					c, err := h.dial(mode, &DialOptions{DialOptions: curlew.DialOptions{Options: quiet}, HTTP: tripper(func(r *http.Request) (*http.Response, error) {
						if r.Method != "GET" {
							return h.client.Transport.RoundTrip(r)
						}
						if n++; cut == "some fail" && n%3 == 0 {
							return nil, errCut
						}
						answer, err := h.client.Transport.RoundTrip(r)
						if err == nil && cut == "all are cut" && mode != "poll" {
							body := answer.Body
							time.AfterFunc(5*time.Second, func() { body.Close() })
						}
						return answer, err
					})})
					if err != nil {
						t.Fatal(err)
					}
					h.pass(3 * time.Hour)
					if err := c.Write(h.t.Context(), curlew.Text, []byte("still there")); err != nil {
						t.Fatal(err)
					}
					if _, p, err := c.Read(h.t.Context(), nil); string(p) != "still there" {
						t.Fatal(err)
					}
					c.Close(curlew.NormalClosure, "")
					if _, _, err := c.Read(h.t.Context(), nil); errors.Is(err, io.ErrUnexpectedEOF) {
						t.Error(err)
					}
				})
			})
		}
	}
}
