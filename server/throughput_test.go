package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"curlew.example/curlew/wstest"
)

// BenchmarkStatic sends a file of 1 GB (or as many MB as CURLEW_BENCH_MB says) by
// the handler static, and by http.ServeContent in a server of net/http, in turn, and
// reports the median speed of both and their ratio, which has to be 0.9. The
// client reads and throws away.
//
//	cd server && go test -run '^$' -bench Static -benchtime 11x .
func BenchmarkStatic(b *testing.B) {
	size := int64(1 << 30)
	if n, err := strconv.ParseInt(os.Getenv("CURLEW_BENCH_MB"), 10, 64); err == nil {
		size = n << 20
	}
	dir := b.TempDir()
	f, err := os.Create(filepath.Join(dir, "large.bin"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for n, p := int64(0), make([]byte, 1<<20); n < size; n += int64(len(p)) {
		if _, err := f.Write(p); err != nil {
			b.Fatal(err)
		}
	}
	cert := wstest.Certificate("127.0.0.1")
	for _, kind := range []string{"plain", "tls"} {
		b.Run(kind, func(b *testing.B) {
			r := start(b, "{ @"+kind+", log: { requests: false }, routes: [{ match: '/', handler: 'static', static: { directory: '"+dir+"' } }] }", nil)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			theirs := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f, err := os.Open(filepath.Join(dir, "large.bin"))
				if err != nil {
					http.Error(w, err.Error(), 500)
					return
				}
				defer f.Close()
				http.ServeContent(w, r, "large.bin", time.Time{}, f)
			})}
			if kind == "tls" {
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
			}
			go theirs.Serve(l)
			defer theirs.Close()
			servers := []struct {
				connect func() net.Conn
				took    []time.Duration
			}{{connect: func() net.Conn { return r.connect() }}, {connect: func() net.Conn {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					b.Fatal(err)
				}
				if kind == "tls" {
					c = tls.Client(c, &tls.Config{RootCAs: wstest.Roots(cert), ServerName: "127.0.0.1"})
				}
				return c
			}}}
			b.SetBytes(2 * size)
			n := 0
			for b.Loop() {
				for i := range servers { // in turn, the other one first each time
					s := &servers[(i+n)%2]
					s.took = append(s.took, fetch(b, s.connect(), size))
				}
				n++
			}
			median := func(list []time.Duration) float64 {
				slices.Sort(list)
				return float64(size) / (1 << 20) / list[len(list)/2].Seconds()
			}
			ours, net := median(servers[0].took), median(servers[1].took)
			b.ReportMetric(ours, "ours-MiB/s")
			b.ReportMetric(net, "net/http-MiB/s")
			b.ReportMetric(ours/net, "ratio")
		})
	}
}

// fetch gets the file and returns the time that it took.
func fetch(b *testing.B, c net.Conn, size int64) time.Duration {
	defer c.Close()
	began := time.Now()
	fmt.Fprintf(c, "GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	br := bufio.NewReaderSize(c, 4096)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 200 || resp.ContentLength != size {
		b.Fatal(resp, err)
	}
	n, p := int64(0), make([]byte, 256<<10)
	for err == nil {
		var m int
		m, err = resp.Body.Read(p)
		n += int64(m)
	}
	if n != size || err != io.EOF {
		b.Fatal(n, err)
	}
	return time.Since(began)
}
