package curlew_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	"curlew.example/curlew"
)

// A board is a whiteboard: who comes gets what was drawn so far, and then what is
// drawn.
type board struct {
	mu      sync.Mutex // guards the following, and the order of what is sent
	lines   []*curlew.Prepared
	members map[*curlew.Conn]bool
}

func (b *board) join(c *curlew.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range b.lines {
		c.SendPrepared(line)
	}
	b.members[c] = true
}

func (b *board) leave(c *curlew.Conn, _ *curlew.CloseError) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.members, c)
}

// draw never waits for a member: who cannot follow is closed, and begins anew.
func (b *board) draw(_ *curlew.Conn, t curlew.Type, p []byte) {
	line := curlew.Prepare(t, p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if string(p) == "clear" {
		b.lines = nil
	} else {
		b.lines = append(b.lines[max(0, len(b.lines)-999):], line) // the last thousand
	}
	for c := range b.members {
		c.SendPrepared(line)
	}
}

// A whiteboard: everybody sees what everybody draws, newcomers what was drawn
// before.
func Example_whiteboard() {
	b := &board{members: make(map[*curlew.Conn]bool)}
	events := &curlew.Events{Open: b.join, Message: b.draw, Close: b.leave}
	s := httptest.NewServer(curlew.Handle(&curlew.Options{Subprotocols: []string{"whiteboard-example"}}, func(*http.Request) (*curlew.Events, error) {
		return events, nil
	}))
	defer s.Close()

	ctx := context.Background()
	join := func() *curlew.Conn {
		c, err := curlew.Dial(ctx, wsURL(s), &curlew.DialOptions{Options: curlew.Options{Subprotocols: []string{"whiteboard-example"}}})
		if err != nil {
			panic(err)
		}
		return c
	}
	sees := func(who string, c *curlew.Conn, lines int) {
		for range lines {
			_, p, err := c.Read(ctx, nil)
			fmt.Println(who, string(p), err)
		}
	}
	ann := join()
	ann.Send(curlew.Text, []byte("1,1 2,2"))
	ann.Send(curlew.Text, []byte("2,2 3,1"))
	sees("ann", ann, 2)
	ben := join()
	sees("ben", ben, 2)
	ben.Send(curlew.Text, []byte("clear"))
	sees("ann", ann, 1)
	sees("ben", ben, 1)
	ann.Send(curlew.Text, []byte("5,5 6,6"))
	sees("ben", ben, 1)
	cyd := join()
	sees("cyd", cyd, 1)
	for _, c := range []*curlew.Conn{ann, ben, cyd} {
		c.Close(curlew.NormalClosure, "")
		<-c.Done()
	}
	// Output:
	// ann 1,1 2,2 <nil>
	// ann 2,2 3,1 <nil>
	// ben 1,1 2,2 <nil>
	// ben 2,2 3,1 <nil>
	// ann clear <nil>
	// ben clear <nil>
	// ben 5,5 6,6 <nil>
	// cyd 5,5 6,6 <nil>
}
