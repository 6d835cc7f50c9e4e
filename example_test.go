package curlew_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// wsURL is the address of a test server.
func wsURL(s *httptest.Server) string { return "ws" + strings.TrimPrefix(s.URL, "http") }

// end ends both sides of an example's connection.
func end(conns ...*curlew.Conn) {
	for _, c := range conns {
		c.Close(curlew.NormalClosure, "")
	}
	for _, c := range conns {
		<-c.Done()
	}
}

// A server by events: no goroutine waits in your code, and an idle connection
// holds no buffer.
func ExampleHandle() {
	closed := make(chan curlew.Code)
	h := curlew.Handle(nil, func(r *http.Request) (*curlew.Events, error) {
		name := r.URL.Query().Get("name")
		return &curlew.Events{
			Open:    func(c *curlew.Conn) { c.Send(curlew.Text, []byte("hello "+name)) },
			Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, bytes.ToUpper(p)) },
			Close:   func(c *curlew.Conn, e *curlew.CloseError) { closed <- e.Code },
		}, nil
	})
	s := httptest.NewServer(h)
	defer s.Close()

	ctx := context.Background()
	c, err := curlew.Dial(ctx, wsURL(s)+"/?name=bird", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, curlew.Text, []byte("curlee"))
	for range 2 {
		_, p, err := c.Read(ctx, nil)
		fmt.Println(string(p), err)
	}
	c.Close(curlew.NormalClosure, "")
	fmt.Println("server:", <-closed)
	// Output:
	// hello bird <nil>
	// CURLEE <nil>
	// server: 1000 normal closure
}

// An error of the function refuses the handshake.
func ExampleHandle_refuse() {
	h := curlew.Handle(nil, func(r *http.Request) (*curlew.Events, error) {
		if r.Header.Get("Authorization") == "" {
			return nil, &curlew.HandshakeError{Status: http.StatusUnauthorized, Err: errors.New("who are you?")}
		}
		return &curlew.Events{}, nil
	})
	s := httptest.NewServer(h)
	defer s.Close()

	_, err := curlew.Dial(context.Background(), wsURL(s), nil)
	var e *curlew.HandshakeError
	if errors.As(err, &e) {
		fmt.Println(e.Status)
	}
	// Output: 401
}

// A server that reads in a loop.
func ExampleAccept() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, &curlew.Options{Subprotocols: []string{"echo.v1"}})
		if err != nil {
			return // Accept has answered
		}
		var buf []byte
		for {
			t, p, err := c.Read(r.Context(), buf[:0])
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), t, p); err != nil {
				return
			}
			buf = p // for the next message
		}
	}))
	defer s.Close()

	ctx := context.Background()
	c, err := curlew.Dial(ctx, wsURL(s), &curlew.DialOptions{
		Options: curlew.Options{Subprotocols: []string{"echo.v2", "echo.v1"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Write(ctx, curlew.Binary, []byte{1, 2, 3})
	t, p, err := c.Read(ctx, nil)
	fmt.Println(c.Info().Subprotocol, t, p, err)
	end(c)
	// Output: echo.v1 binary [1 2 3] <nil>
}

// What came instead of a connection.
func ExampleDial() {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := curlew.Dial(ctx, wsURL(s), &curlew.DialOptions{
		Options: curlew.Options{Header: http.Header{"Authorization": {"Bearer secret"}}},
	})
	var e *curlew.HandshakeError
	if errors.As(err, &e) {
		fmt.Printf("%d %s", e.Status, e.Body)
	}
	// Output: 404 404 page not found
}

// The handshake was done elsewhere; two ends in memory will do.
func ExampleNewConn() {
	a, b := wstest.NewLink(nil)
	s := curlew.NewConn(a, curlew.Server, nil)
	c := curlew.NewConn(b, curlew.Client, &curlew.Options{MaxMessage: 1000})
	s.Send(curlew.Text, make([]byte, 1001))
	_, _, err := c.Read(context.Background(), nil)
	var e *curlew.CloseError
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Remote)
	}
	<-s.Done()
	// Output: 1009 message too big false
}

// A connection from Accept or Dial, handled by events. A Read may have gone
// before.
func ExampleServe() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	served := make(chan error)
	go func() {
		_, p, _ := s.Read(ctx, nil)
		fmt.Println("first:", string(p))
		served <- curlew.Serve(ctx, s, &curlew.Events{
			Message: func(s *curlew.Conn, _ curlew.Type, p []byte) { fmt.Println("then:", string(p)) },
		})
	}()
	c.Send(curlew.Text, []byte("a"))
	c.Send(curlew.Text, []byte("b"))
	c.Close(curlew.GoingAway, "")
	fmt.Println(<-served, s.Err())
	<-c.Done()
	// Output:
	// first: a
	// then: b
	// <nil> curlew: connection closed by the peer: 1001 going away
}

// Whatever speaks over a net.Conn speaks over a WebSocket.
func ExampleNetConn() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	go func() {
		n := curlew.NetConn(ctx, s, curlew.Binary)
		defer n.Close()
		line, _ := bufio.NewReader(n).ReadString('\n')
		fmt.Fprint(n, strings.ToUpper(line))
	}()
	n := curlew.NetConn(ctx, c, curlew.Binary)
	n.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintln(n, "curlee")
	all, err := io.ReadAll(n) // io.EOF is a normal closure
	fmt.Print(string(all), err)
	n.Close()
	<-s.Done()
	// Output:
	// CURLEE
	// <nil>
}

// A message for many is framed, and compressed where it can be, only once.
func ExamplePrepare() {
	m := curlew.Prepare(curlew.Text, []byte("to all"))
	for range 2 {
		s, c := wstest.Pipe(nil, nil)
		s.SendPrepared(m)
		_, p, err := c.Read(context.Background(), nil)
		fmt.Println(string(p), err)
		end(s, c)
	}
	// Output:
	// to all <nil>
	// to all <nil>
}

func ExampleConn_SendPrepared() {
	s, c := wstest.Pipe(nil, nil)
	err := s.SendPrepared(curlew.Prepare(curlew.Text, []byte("news")))
	fmt.Println(err)
	_, p, _ := c.Read(context.Background(), nil)
	fmt.Println(string(p))
	end(s, c)
	// Output:
	// <nil>
	// news
}

// A Read that was given up has lost nothing.
func ExampleConn_Read() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	soon, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	_, _, err := c.Read(soon, nil)
	fmt.Println(err)

	s.Send(curlew.Text, []byte("late"))
	_, p, err := c.Read(ctx, make([]byte, 0, 1024)) // appended: allocates nothing
	fmt.Println(string(p), err)
	end(s, c)
	// Output:
	// context deadline exceeded
	// late <nil>
}

// A message of any size, without holding it.
func ExampleConn_Reader() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	go s.Write(ctx, curlew.Text, bytes.Repeat([]byte("peep "), 100_000))
	_, r, err := c.Reader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := io.Copy(io.Discard, r)
	fmt.Println(n, err)
	end(s, c)
	// Output: 500000 <nil>
}

// Write blocks until the stream has the message.
func ExampleConn_Write() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	fmt.Println(c.Write(ctx, curlew.Text, []byte("hello")))
	fmt.Println(c.Write(ctx, curlew.Text, []byte("\xff")))
	_, p, _ := s.Read(ctx, nil)
	fmt.Println(string(p))
	end(s, c)
	// Output:
	// <nil>
	// curlew: text is not valid UTF-8
	// hello
}

// Send never blocks. What happens to a peer that does not keep up is decided by
// SendQueue and WhenFull.
func ExampleConn_Send() {
	s, c := wstest.Pipe(&curlew.Options{WhenFull: curlew.WhenFullDropNewest}, nil)
	for _, s1 := range []string{"one", "two"} {
		if err := s.Send(curlew.Text, []byte(s1)); errors.Is(err, curlew.ErrQueueFull) {
			fmt.Println("dropped", s1)
		}
	}
	for range 2 {
		_, p, _ := c.Read(context.Background(), nil)
		fmt.Println(string(p))
	}
	end(s, c)
	// Output:
	// one
	// two
}

// A message in pieces. Others' messages wait for it, control frames do not.
func ExampleConn_Writer() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	w, err := s.Writer(ctx, curlew.Text)
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Send(curlew.Text, []byte("the next one"))
	fmt.Fprintf(w, "%d and ", 1)
	fmt.Fprintf(w, "%d", 2)
	w.Close()
	for range 2 {
		_, p, _ := c.Read(ctx, nil)
		fmt.Println(string(p))
	}
	end(s, c)
	// Output:
	// 1 and 2
	// the next one
}

func ExampleWriter_Write() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	w, _ := s.Writer(ctx, curlew.Text)
	n, err := io.Copy(w, strings.NewReader("from any reader"))
	fmt.Println(n, err)
	w.Close()
	_, p, _ := c.Read(ctx, nil)
	fmt.Println(string(p))
	end(s, c)
	// Output:
	// 15 <nil>
	// from any reader
}

// Frames as the application wants them, and a peer that sees them.
func ExampleWriter_WriteFrame() {
	s, c := wstest.Pipe(nil, &curlew.Options{PreserveFrames: true})
	ctx := context.Background()
	w, _ := s.Writer(ctx, curlew.Text)
	w.WriteFrame([]byte("head"))
	w.WriteFrame([]byte("body"))
	w.Finish([]byte("tail"))
	s.Close(curlew.NormalClosure, "")
	curlew.Serve(ctx, c, &curlew.Events{
		Part: func(_ *curlew.Conn, _ curlew.Type, p []byte, last bool) { fmt.Println(string(p), last) },
	})
	<-s.Done()
	// Output:
	// head false
	// body false
	// tail true
}

func ExampleWriter_Finish() {
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	w, _ := s.Writer(ctx, curlew.Text)
	fmt.Fprint(w, "almost ")
	fmt.Println(w.Finish([]byte("done")))
	_, p, _ := c.Read(ctx, nil)
	fmt.Println(string(p))
	end(s, c)
	// Output:
	// <nil>
	// almost done
}

func ExampleWriter_Close() {
	s, c := wstest.Pipe(nil, nil)
	w, _ := s.Writer(context.Background(), curlew.Text)
	fmt.Println(w.Close())
	_, err := w.Write([]byte("more"))
	fmt.Println(err)
	end(s, c)
	// Output:
	// <nil>
	// curlew: write to a closed Writer
}

// Sending something large from callbacks, in pieces that fit.
func ExampleWriter_TryWrite() {
	rest := bytes.Repeat([]byte("large "), 100_000)
	var w *curlew.Writer
	more := func(*curlew.Conn) {
		n, err := w.TryWrite(rest)
		if rest = rest[n:]; err == nil && len(rest) == 0 {
			w.Close()
		}
	}
	s, c := wstest.Pipe(nil, nil)
	ctx := context.Background()
	served := make(chan error, 1)
	go func() {
		served <- curlew.Serve(ctx, s, &curlew.Events{
			Open: func(s *curlew.Conn) {
				w, _ = s.Writer(ctx, curlew.Text)
				more(s)
			},
			Writable: func(s *curlew.Conn) {
				if len(rest) > 0 {
					more(s)
				}
			},
		})
	}()
	_, p, err := c.Read(ctx, nil)
	fmt.Println(len(p), err)
	end(c)
	<-served
	// Output: 600000 <nil>
}

// The time to the peer and back.
func ExampleConn_Ping() {
	s, c := wstest.Pipe(nil, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	rtt, err := s.Ping(ctx)
	fmt.Println(rtt > 0, err)
	end(s, c)
	// Output: true <nil>
}

// Close does not block; Done tells the end.
func ExampleConn_Close() {
	s, c := wstest.Pipe(nil, nil)
	fmt.Println(s.Close(curlew.GoingAway, "see you"))
	_, _, err := c.Read(context.Background(), nil)
	fmt.Println(err)
	<-s.Done()
	fmt.Println(s.Close(1005, ""))
	// Output:
	// <nil>
	// curlew: connection closed by the peer: 1001 going away "see you"
	// curlew: invalid close code or reason: 1005 no status
}

func ExampleConn_Abort() {
	s, c := wstest.Pipe(nil, nil)
	s.Abort(errors.New("out of patience"))
	fmt.Println(s.Err())
	_, _, err := c.Read(context.Background(), nil)
	fmt.Println(errors.Is(err, net.ErrClosed))
	// Output:
	// curlew: connection closed locally: 1006 abnormal closure: out of patience
	// true
}

func ExampleConn_Done() {
	s, c := wstest.Pipe(nil, nil)
	c.Close(curlew.NormalClosure, "")
	select {
	case <-s.Done():
		fmt.Println("gone:", s.Err())
	case <-time.After(10 * time.Second):
	}
	<-c.Done()
	// Output: gone: curlew: connection closed by the peer: 1000 normal closure
}

func ExampleConn_Err() {
	s, c := wstest.Pipe(nil, nil)
	fmt.Println(s.Err())
	c.Close(4001, "enough")
	<-s.Done()
	var e *curlew.CloseError
	if errors.As(s.Err(), &e) {
		fmt.Println(e.Code, e.Reason, e.Remote)
	}
	<-c.Done()
	// Output:
	// <nil>
	// 4001 enough true
}

// Whether both sides sent a Close.
func ExampleCloseError_Orderly() {
	s, c := wstest.Pipe(nil, nil)
	c.Abort(nil)
	<-s.Done()
	var e *curlew.CloseError
	if errors.As(s.Err(), &e) {
		fmt.Println(e.Code, e.Orderly())
	}
	// Output: 1006 abnormal closure false
}

// A connection that lives as long as its user does something.
func ExampleConn_Extend() {
	s, c := wstest.Pipe(&curlew.Options{RequestTimeout: time.Minute}, nil)
	c.Send(curlew.Text, []byte("still here"))
	c.Close(curlew.NormalClosure, "")
	curlew.Serve(context.Background(), s, &curlew.Events{
		Message: func(s *curlew.Conn, _ curlew.Type, p []byte) {
			s.Extend(0) // another minute from now on
			fmt.Println(string(p))
		},
	})
	<-c.Done()
	// Output: still here
}

func ExampleConn_Info() {
	s, c := wstest.Pipe(nil, nil)
	c.Send(curlew.Text, []byte("12345"))
	s.Read(context.Background(), nil)
	i := s.Info()
	fmt.Println(i.MessagesRead, i.BytesRead, i.Compressed)
	end(s, c)
	// Output: 1 11 false
}

// What belongs to a connection, kept with it.
func ExampleConn_SetValue() {
	type user struct{ name string }
	s, c := wstest.Pipe(nil, nil)
	s.SetValue(&user{"numenius"})
	c.Close(curlew.NormalClosure, "")
	curlew.Serve(context.Background(), s, &curlew.Events{
		Close: func(s *curlew.Conn, _ *curlew.CloseError) { fmt.Println(s.Value().(*user).name) },
	})
	<-c.Done()
	// Output: numenius
}

func ExampleConn_Value() {
	s, c := wstest.Pipe(nil, nil)
	fmt.Println(s.Value())
	s.SetValue(42)
	fmt.Println(s.Value())
	end(s, c)
	// Output:
	// <nil>
	// 42
}

// From now on every block leaves as one frame, and frames come as they are.
func ExampleConn_SetPreserveFrames() {
	s, c := wstest.Pipe(&curlew.Options{MaxFrame: 4}, nil)
	c.SetPreserveFrames(true)
	s.SetPreserveFrames(true)
	s.Send(curlew.Text, []byte("not split in two"))
	s.Close(curlew.NormalClosure, "")
	curlew.Serve(context.Background(), c, &curlew.Events{
		Part: func(_ *curlew.Conn, _ curlew.Type, p []byte, last bool) { fmt.Println(string(p), last) },
	})
	<-s.Done()
	// Output: not split in two true
}
