//go:build !race && !invariants

package curlew_test

import (
	"context"
	"testing"
	"testing/synctest"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestThreeWaysCost: what 10 MB to a peer that does not read hold in memory: the
// queue if they are buffered, a piece if they block, the queue if they do not, and
// nothing if a whole message blocks; twice, as what is being written is framed. The
// lengths and the last flags are those of TestThreeWaysToSend.
func TestThreeWaysCost(t *testing.T) {
	const conns, size, queue, piece = 16, 10 << 20, 256 << 10, 64 << 10
	const small = 64 + 2*100 // what one of few bytes may hold: a buffer, and its entry where there is room for twice as many
	payload := make([]byte, size)
	for name, c := range map[string]struct {
		each int64 // bytes that a connection may hold
		send func(c *curlew.Conn)
	}{
		"buffered": {queue, func(c *curlew.Conn) {
			for rest := payload; len(rest) > 0; rest = rest[16<<10:] {
				c.Send(curlew.Binary, rest[:16<<10])
			}
		}},
		"blocking": {piece, func(c *curlew.Conn) {
			w, err := c.Writer(context.Background(), curlew.Binary)
			for rest := payload; err == nil && len(rest) > 0; rest = rest[piece:] {
				_, err = w.Write(rest[:piece])
			}
		}},
		"blocking, whole": {0, func(c *curlew.Conn) { c.Write(context.Background(), curlew.Binary, payload) }},
		"non-blocking": {queue, func(c *curlew.Conn) {
			w, err := c.Writer(context.Background(), curlew.Binary)
			for rest := payload; err == nil && len(rest) > 0; {
				var n int
				if n, err = w.TryWrite(rest); n < len(rest) {
					break // until Writable
				}
			}
		}},
		"a thousand frames": {1000 * small, func(c *curlew.Conn) {
			w, err := c.Writer(context.Background(), curlew.Binary)
			for range 1000 {
				if err == nil {
					_, err = w.TryWrite(payload[:16])
				}
			}
		}},
		"as many frames as there may be": {queue / 64 * small, func(c *curlew.Conn) {
			w, err := c.Writer(context.Background(), curlew.Binary)
			for n := 1; err == nil && n > 0; {
				n, err = w.TryWrite(payload[:1])
			}
		}},
		"as many messages as there may be": {queue / 64 * small, func(c *curlew.Conn) {
			for err := error(nil); err == nil; {
				err = c.Send(curlew.Binary, payload[:1])
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const own = 96 << 10 // of a connection, the link, a goroutine that waits, and 64 KB that are being written
				heap()               // what is left of others
				before := heap()
				var open []*curlew.Conn
				for range conns {
					a, _ := wstest.NewLink(&wstest.LinkOptions{Buffer: 4 << 10})
					a.Stall(true)
					o := &curlew.Options{SendQueue: queue, MaxMessage: -1, WhenFull: curlew.WhenFullDropNewest, PreserveFrames: true}
					conn := curlew.NewConn(a, curlew.Server, noWriteTimeout(*o))
					go c.send(conn)
					open = append(open, conn)
				}
				synctest.Wait()
				if each := (heap() - before) / conns; each > 2*c.each+own {
					t.Errorf("%d KB for each connection, at most %d are to be", each>>10, c.each>>10)
				} else {
					t.Logf("%d KB", each>>10)
				}
				for _, conn := range open {
					conn.Abort(nil)
				}
			})
		})
	}
}
