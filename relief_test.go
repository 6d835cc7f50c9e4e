package curlew_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestBackpressureBesideFlusher: a driver whose answers another goroutine is
// writing, since a callback took long, reads no more than it can answer.
func TestBackpressureBesideFlusher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 20
		a, b := wstest.NewLink(nil)
		c := curlew.NewConn(a, curlew.Server, nil)
		p := wstest.NewPeer(t, b, curlew.Client)
		served := make(chan error, 1)
		n := 0
		go func() {
			served <- curlew.Serve(context.Background(), c, &curlew.Events{
				Message: func(c *curlew.Conn, typ curlew.Type, m []byte) {
					c.Send(typ, m)
					if n++; n == 1 {
						pass(time.Second) // the clock has the answer flushed, which blocks
					}
				},
			})
		}()
		payload := bytes.Repeat([]byte("0123456789"), 10_000)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range messages {
				p.Send(wstest.Binary(payload))
			}
		}()
		pass(2 * time.Second)
		for range messages {
			p.WantMessage("every answer", curlew.Binary, payload)
		}
		<-sent
		p.Send(wstest.Close(1000, ""))
		p.WantClose("in order", 1000, "")
		p.Close()
		<-served
	})
}
