package wstest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew/wstest"
)

func TestNetworkCarriesHTTP(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		dialed := 0
		n := wstest.NewNetwork(&wstest.NetworkOptions{Dialed: func(client, server *wstest.End) {
			dialed++
			client.Segment(1)
		}})
		remote := ""
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			remote = r.RemoteAddr
			fmt.Fprintf(w, "hello from %s", r.Host)
		})}
		served := make(chan error, 1)
		l := n.Listen("example.com:80")
		go func() { served <- srv.Serve(l) }()

		tr := &http.Transport{DialContext: n.DialContext}
		resp, err := (&http.Client{Transport: tr}).Get("http://example.com/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(body) != "hello from example.com" || err != nil {
			t.Fatalf("body %q, %v", body, err)
		}
		if _, port, err := net.SplitHostPort(remote); err != nil || port != "49152" || dialed != 1 {
			t.Errorf("RemoteAddr %q, %d dialed; want port 49152, 1", remote, dialed)
		}
		tr.CloseIdleConnections()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-served; err != http.ErrServerClosed {
			t.Fatal(err)
		}
	})
}

func TestNetworkRefuses(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		n := wstest.NewNetwork(nil)
		_, err := n.DialContext(t.Context(), "tcp", "example.com:80")
		wantError(t, "no listener", err, wstest.ErrRefused)
		l := n.Listen("example.com:80")
		if a := l.Addr().String(); a != "example.com:80" {
			t.Errorf("Addr = %q", a)
		}
		waiting, err := n.DialContext(t.Context(), "tcp", "example.com:80")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		l.Close()
		readError(t, waiting, wstest.ErrReset)
		_, err = l.Accept()
		wantError(t, "Accept", err, net.ErrClosed)
		_, err = n.DialContext(t.Context(), "tcp", "example.com:80")
		wantError(t, "closed listener", err, wstest.ErrRefused)
		n.Listen("example.com:80").Close() // the address is free again
	})
}

func TestNetworkBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := wstest.NewNetwork(nil)
		l := n.Listen("example.com:80")
		defer l.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for i := 0; ; i++ {
			_, err := n.DialContext(ctx, "tcp", "example.com:80")
			if err != nil {
				if i != 128 || !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("dial %d: %v; want 128 to wait and the next to time out", i, err)
				}
				break
			}
		}
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		if _, err := n.DialContext(t.Context(), "tcp", "example.com:80"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNetworkListenTwice(t *testing.T) {
	n := wstest.NewNetwork(nil)
	defer n.Listen("a:1").Close()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	n.Listen("a:1")
}
