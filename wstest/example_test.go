package wstest_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"testing"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// shout is the handler that the examples test: it repeats in capitals.
func shout() http.Handler {
	return curlew.Handle(nil, func(*http.Request) (*curlew.Events, error) {
		return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
			c.Send(t, bytes.ToUpper(p))
		}}, nil
	})
}

// A handler under test, and a real client.
func ExampleNetwork() {
	n := wstest.NewNetwork(nil)
	l := n.Listen("example.com:80")
	defer l.Close()
	go http.Serve(l, shout())

	ctx := context.Background()
	c, err := curlew.Dial(ctx, "ws://example.com/", &curlew.DialOptions{DialContext: n.DialContext})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close(curlew.NormalClosure, "")
	c.Write(ctx, curlew.Text, []byte("hello"))
	t, p, err := c.Read(ctx, nil)
	fmt.Println(t, string(p), err)
	// Output: text HELLO <nil>
}

// A handler under test, and a client that does odd things.
func ExamplePeer() {
	var t testing.TB = exampleT{} // in a test it is the t of the function

	n := wstest.NewNetwork(nil)
	l := n.Listen("example.com:80")
	defer l.Close()
	go http.Serve(l, shout())

	conn, err := n.DialContext(t.Context(), "tcp", "example.com:80")
	if err != nil {
		t.Fatal(err)
	}
	peer, _ := wstest.Open(t, conn, "/", nil)
	peer.Send(wstest.More(wstest.Text("he")), wstest.Ping("x"))
	peer.Want("pong before the message ends", wstest.Pong("x"))
	peer.Send(wstest.Cont("llo"))
	peer.Want("the answer", wstest.Text("HELLO"))
	peer.WantIdle("nothing else is said")
	peer.Send(wstest.Text("not masked").Unmasked())
	peer.WantClose("RFC 6455, 5.1", curlew.ProtocolError, wstest.AnyReason)
	peer.WantEOF("the server ends the stream first")
	peer.Close()
	fmt.Println("as it should be")
	// Output: as it should be
}

// exampleT is as much of a testing.T as an example needs.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                  {}
func (exampleT) Cleanup(func())           {}
func (exampleT) Context() context.Context { return context.Background() }
func (exampleT) Fatal(args ...any)        { fmt.Println(args...); runtime.Goexit() }
func (exampleT) Fatalf(f string, args ...any) {
	fmt.Printf(f+"\n", args...)
	runtime.Goexit()
}

// A Conn under test and what it is told, without handshake or network.
func ExamplePipe() {
	server, client := wstest.Pipe(nil, nil)
	ctx := context.Background()
	server.Send(curlew.Text, []byte("hello"))
	server.Close(curlew.GoingAway, "enough")
	t, p, err := client.Read(ctx, nil)
	fmt.Println(t, string(p), err)
	_, _, err = client.Read(ctx, nil)
	fmt.Println(err)
	// Output:
	// text hello <nil>
	// curlew: connection closed by the peer: 1001 going away "enough"
}
