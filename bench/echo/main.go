// Command echo is the server, and the client, that is measured: the library as a
// user would write it, returning every message as it came.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"runtime"

	"curlew.example/curlew"
	"curlew.example/curlew/bench/internal/peer"
)

func main() {
	mode := flag.String("mode", "events", "events: Handle and Serve; read: Accept, Dial and a Read loop")
	cert := flag.String("cert", "", "certificate `file`, for TLS")
	key := flag.String("key", "", "its key `file`")
	debug := flag.String("debug", "", "`host:port` for GET /mem")
	peer.Main(func(o *peer.Options) *peer.Peer {
		e := &echo{o: curlew.Options{MaxMessage: peer.MaxMessage, WhenFull: curlew.WhenFullDropNewest}, cert: *cert, key: *key}
		switch o.Deflate {
		case "nct":
			e.o.Compression = &curlew.Compression{}
		case "ct":
			e.o.Compression = &curlew.Compression{ServerContext: true, ClientContext: true}
		}
		switch *mode {
		case "events":
			e.events = true
		case "read":
		default:
			log.Fatalf("-mode %s: events or read", *mode)
		}
		if *debug != "" {
			go func() { log.Fatal(http.ListenAndServe(*debug, http.HandlerFunc(mem))) }()
		}
		return &peer.Peer{Serve: e.serve, Dial: e.dial}
	})
}

type echo struct {
	o         curlew.Options
	events    bool
	cert, key string
}

func (e *echo) serve(addr string) error {
	s := &http.Server{Addr: addr, Handler: http.HandlerFunc(e.read)}
	if e.events {
		ev := events(func([]byte) bool { return true })
		s.Handler = curlew.Handle(&e.o, func(*http.Request) (*curlew.Events, error) { return ev, nil })
	}
	if e.cert == "" {
		return s.ListenAndServe()
	}
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP256}}
	s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // HTTP/1.1
	return s.ListenAndServeTLS(e.cert, e.key)
}

func (e *echo) read(w http.ResponseWriter, r *http.Request) {
	if c, err := curlew.Accept(w, r, &e.o); err == nil {
		loop(c, func([]byte) bool { return true })
	}
}

func (e *echo) dial(url string, message func([]byte) bool) error {
	c, err := curlew.Dial(context.Background(), url, &curlew.DialOptions{Options: e.o})
	if err != nil {
		return err
	}
	if e.events {
		curlew.Serve(context.Background(), c, events(message))
	} else {
		loop(c, message)
	}
	<-c.Done()
	return nil
}

// events echoes what message says yes to. Where the queue is full it waits, and so
// does the peer.
func events(message func([]byte) bool) *curlew.Events {
	return &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) {
		if message(p) && c.Send(t, p) == curlew.ErrQueueFull {
			c.Write(context.Background(), t, p)
		}
	}}
}

// loop echoes until the connection ends.
func loop(c *curlew.Conn, message func([]byte) bool) {
	var t curlew.Type
	var p []byte
	var err error
	for {
		if t, p, err = c.Read(context.Background(), p[:0]); err != nil {
			return
		}
		if message(p) && c.Write(context.Background(), t, p) != nil {
			return
		}
	}
}

// mem answers with the memory of this process in bytes; ?gc=1 collects first.
func mem(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("gc") != "" {
		runtime.GC()
		runtime.GC() // pools are emptied in two steps
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]uint64{
		"HeapAlloc": m.HeapAlloc, "HeapInuse": m.HeapInuse, "StackInuse": m.StackInuse, "Sys": m.Sys,
		"NumGoroutine": uint64(runtime.NumGoroutine()),
	})
}
