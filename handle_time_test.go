package curlew_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestHS43_Hangs: an application that does not answer is bounded by its request's
// context alone: it ends when the client goes, or by a deadline that was put on
// it. The timeouts of http.Server do not end it. Nothing is left over then.
func TestHS43_Hangs(t *testing.T) {
	for _, k := range []houseKind{memoryHouse, memoryTLSHouse} {
		for _, w := range bothWays { // with Accept it is AllowOrigin that hangs
			for _, verdict := range []error{nil, errors.New("gone")} {
				t.Run(fmt.Sprint(k, " ", w, " ", verdict), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var j journal
						b := build(t, k, w.echoes(nil, &j, func(r *http.Request) error {
							<-r.Context().Done()
							return verdict
						}), func(s *http.Server) {
							s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = 10*time.Second, 10*time.Second, 10*time.Second
						})
						c := b.dial()
						io.WriteString(c, b.asks("/"))
						pass(time.Hour)
						synctest.Wait()
						if b.busy.Load() != 1 {
							t.Fatal("something else bounds it")
						}
						c.Close()
						synctest.Wait()
						if b.busy.Load() != 0 {
							t.Fatal("the handler stays when the client is gone")
						}
						ended, refused := j.balance(t)
						if verdict != nil && (len(ended) > 0 || w == byAccept && len(refused) != 1) {
							t.Errorf("%v, %v", ended, refused)
						}
						for _, e := range ended {
							if e.Code != curlew.AbnormalClosure || !e.Remote {
								t.Errorf("ended by %v", e)
							}
						}
						b.wantLog()
					})
				})
			}
		}
	}
}

// TestHS43_Deadline: a middleware's deadline is seen also where net/http does not
// notice that the client is gone, because it has sent something since its request.
func TestHS43_Deadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, w := range bothWays {
			var j journal
			h := w.echoes(nil, &j, func(r *http.Request) error {
				<-r.Context().Done()
				return r.Context().Err()
			})
			b := build(t, memoryHouse, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
				defer cancel()
				h.ServeHTTP(w, r.WithContext(ctx))
			}), nil)
			for _, behind := range []string{"", string(wire(curlew.Server, wstest.Text("hello")))} {
				start := time.Now()
				b.refused(b.asks("/")+behind, http.StatusForbidden) // all at once
				wantTook(t, "refused", start, 10*time.Second, 10*time.Second)

				c := b.dial()
				io.WriteString(c, b.asks("/"))
				synctest.Wait()
				io.WriteString(c, behind)
				synctest.Wait()
				c.Close()
				synctest.Wait()
				if n := b.busy.Load(); behind != "" && n != 1 {
					t.Errorf("%s: net/http notices it now, %d handlers: say so in Handle's comment", w, n)
				}
				pass(10 * time.Second)
				synctest.Wait()
				if n := b.busy.Load(); n != 0 {
					t.Errorf("%s, %q behind: %d handlers stay", w, behind, n)
				}
			}
			if j.opened != 0 {
				t.Errorf("opened %d", j.opened)
			}
			b.wantLog()
		}
	})
}

// TestHS44_CloseAtOnce: an application that refuses behind the 101 holds nothing
// of net/http's, and the connection for no longer than CloseTimeout, whatever the
// peer does.
func TestHS44_CloseAtOnce(t *testing.T) {
	flood := string(wire(curlew.Server, wstest.Text(strings.Repeat("x", 1000))))
	for name, c := range map[string]struct {
		peer    func(c net.Conn)
		orderly bool
	}{
		"silent":    {func(net.Conn) {}, false},
		"talks on":  {func(c net.Conn) { drip(c, flood) }, false},
		"takes all": {func(c net.Conn) { io.Copy(io.Discard, c) }, false},
		"vanishes":  {func(c net.Conn) { far(c).DropAfter(0) }, false},
		"answers":   {func(c net.Conn) { c.Write(wire(curlew.Server, wstest.Close(4401, ""))) }, true},
	} {
		for _, k := range []houseKind{memoryHouse, memoryTLSHouse} {
			for _, timeout := range []time.Duration{0, time.Second} {
				t.Run(fmt.Sprint(name, " ", k, " ", timeout), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						start, took := time.Now(), time.Duration(-1)
						var end *curlew.CloseError
						ev := &curlew.Events{
							Open: func(c *curlew.Conn) { c.Close(4401, "log in") },
							Close: func(_ *curlew.Conn, e *curlew.CloseError) {
								if took >= 0 {
									t.Error("closed twice")
								}
								took, end = time.Since(start), e
							},
							Message: func(*curlew.Conn, curlew.Type, []byte) { t.Error("a message behind our Close") },
						}
						b := build(t, k, curlew.Handle(&curlew.Options{CloseTimeout: timeout}, func(*http.Request) (*curlew.Events, error) { return ev, nil }), nil)
						conn := b.dial()
						p, _ := wstest.Open(t, conn, "/", nil)
						p.WantClose("at once", 4401, "log in")
						wantTook(t, "told", start, 0, 0)
						synctest.Wait()
						if b.busy.Load() != 0 {
							t.Fatal("the handler stays")
						}
						go c.peer(conn)
						pass(time.Minute)
						synctest.Wait()
						if timeout == 0 {
							timeout = 5 * time.Second
						}
						if c.orderly {
							timeout = 0
						}
						if took != timeout {
							t.Errorf("took %v, want %v", took, timeout)
						}
						if end == nil || end.Code != 4401 || end.Remote || end.Orderly() != c.orderly {
							t.Errorf("ended by %v", end)
						}
						b.wantLog()
					})
				})
			}
		}
	}
}
