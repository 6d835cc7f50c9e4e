// Command echo is the server that is measured: the library as a user would write
// it, returning every message as it came.
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
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	mode := flag.String("mode", "events", "events: Handle; read: Accept and a Read loop inside ServeHTTP")
	deflate := flag.String("deflate", "", "permessage-deflate: nct without, ct with context takeover")
	cert := flag.String("cert", "", "certificate `file`, for TLS")
	key := flag.String("key", "", "its key `file`")
	debug := flag.String("debug", "", "`host:port` for GET /mem")
	flag.Parse()

	o := &curlew.Options{MaxMessage: 64 << 20}
	switch *deflate {
	case "":
	case "nct":
		o.Compression = &curlew.Compression{}
	case "ct":
		o.Compression = &curlew.Compression{ServerContext: true, ClientContext: true}
	default:
		log.Fatalf("-deflate %s: nct or ct", *deflate)
	}
	var h http.Handler
	switch *mode {
	case "events":
		h = events(o)
	case "read":
		h = reader(o)
	default:
		log.Fatalf("-mode %s: events or read", *mode)
	}
	if *debug != "" {
		go func() { log.Fatal(http.ListenAndServe(*debug, http.HandlerFunc(mem))) }()
	}
	s := &http.Server{Addr: *addr, Handler: h}
	if *cert == "" {
		log.Fatal(s.ListenAndServe())
	}
	s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP256}}
	s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // HTTP/1.1
	log.Fatal(s.ListenAndServeTLS(*cert, *key))
}

func events(o *curlew.Options) http.Handler {
	ev := &curlew.Events{Message: func(c *curlew.Conn, t curlew.Type, p []byte) { c.Send(t, p) }}
	return curlew.Handle(o, func(*http.Request) (*curlew.Events, error) { return ev, nil })
}

func reader(o *curlew.Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, o)
		if err != nil {
			return
		}
		var t curlew.Type
		var p []byte
		for {
			if t, p, err = c.Read(context.Background(), p[:0]); err != nil {
				return
			}
			if c.Write(context.Background(), t, p) != nil {
				return
			}
		}
	})
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
