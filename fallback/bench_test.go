package fallback

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"testing"

	"curlew.example/curlew"
)

// BenchmarkEcho is one message there and back, over a socket.
func BenchmarkEcho(b *testing.B) {
	for _, mode := range []string{"stream", "sse", "poll", "WebSocket"} {
		for _, size := range []int{128, 16 << 10} {
			b.Run(fmt.Sprintf("%s/%d", mode, size), func(b *testing.B) {
				srv := httptest.NewServer(Handler(echoes(nil), nil))
				defer srv.Close()
				dial := func() (*curlew.Conn, error) {
					return Dial(context.Background(), srv.URL, &DialOptions{Modes: []string{mode}})
				}
				if mode == "WebSocket" {
					dial = func() (*curlew.Conn, error) { return curlew.Dial(context.Background(), srv.URL, nil) }
				}
				c, err := dial()
				if err != nil {
					b.Fatal(err)
				}
				defer c.Abort(nil)
				p, got := make([]byte, size), []byte(nil)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.Write(context.Background(), curlew.Binary, p); err != nil {
						b.Fatal(err)
					}
					if _, got, err = c.Read(context.Background(), got[:0]); err != nil || len(got) != size {
						b.Fatal(len(got), err)
					}
				}
			})
		}
	}
}

// BenchmarkFlow is a message of many, that are not waited for.
func BenchmarkFlow(b *testing.B) {
	for _, mode := range []string{"stream", "sse", "poll"} {
		b.Run(mode, func(b *testing.B) {
			srv := httptest.NewServer(Handler(echoes(nil), nil))
			defer srv.Close()
			c, err := Dial(context.Background(), srv.URL, &DialOptions{Modes: []string{mode}})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Abort(nil)
			p, got := make([]byte, 1024), []byte(nil)
			b.SetBytes(1024)
			b.ReportAllocs()
			go func() {
				for c.Write(context.Background(), curlew.Binary, p) == nil {
				}
			}()
			for b.Loop() {
				if _, got, err = c.Read(context.Background(), got[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIdle tells what a session costs that nobody speaks in.
func BenchmarkIdle(b *testing.B) {
	for name, ws := range map[string]http.Handler{"curlew": echoes(nil), "net.Conn": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, _ := http.NewResponseController(w).Hijack()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
	})} {
		b.Run(name, func(b *testing.B) {
			n := 0
			h := Handler(ws, &Options{Client: func(*http.Request) string { n++; return strconv.Itoa(n / maxFresh) }})
			before, goroutines := heap(), runtime.NumGoroutine()
			for b.Loop() {
				r := httptest.NewRequest("POST", "/?curlew=open", nil)
				h.ServeHTTP(httptest.NewRecorder(), r)
			}
			b.ReportMetric(float64(heap()-before)/float64(b.N), "held-B/op")
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/float64(b.N), "goroutines/op")
			runtime.KeepAlive(h)
		})
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
