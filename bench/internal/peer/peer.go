// Package peer is what all programs that echo have in common, so that whoever
// measures them runs them alike: `-addr` is a server, `-client` is a client that
// walks through the cases of a test server by the scheme that test clients speak
// since long.
package peer

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"strconv"
	"strings"
)

// MaxMessage is the largest message, in bytes, that a program should take.
const MaxMessage = 64 << 20

// A Peer is one library, as its makers recommend it for an echo.
type Peer struct {
	// Serve returns every message as it came, on a host:port, until it fails.
	Serve func(addr string) error

	// Dial opens a connection to a ws URL, tells message of each message that
	// comes, which is lent until that returns, and sends it back if message says
	// so. It returns nil when an opened connection has ended, however it did.
	Dial func(url string, message func(p []byte) (echo bool)) error
}

// Options are the flags that all programs have.
type Options struct {
	// Deflate is nct for permessage-deflate without context takeover, ct with, if
	// the library can, and empty for none.
	Deflate string
}

// Main reads the flags, those of the program itself too, and runs as they say.
func Main(open func(o *Options) *Peer) {
	log.SetFlags(0)
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` to listen on")
	client := flag.String("client", "", "ws `URL` of a test server, to be its client instead")
	agent := flag.String("agent", "peer", "`name` to give to the test server")
	from := flag.Int("from", 1, "first `case` to ask for")
	to := flag.Int("to", 0, "last `case` to ask for; 0: the last one there is")
	var o Options
	flag.StringVar(&o.Deflate, "deflate", "", "permessage-deflate: nct without, ct with context takeover")
	flag.Parse()
	switch o.Deflate {
	case "", "nct", "ct":
	default:
		log.Fatalf("-deflate %s: nct or ct", o.Deflate)
	}
	p := open(&o)
	if *client == "" {
		log.Fatal(p.Serve(*addr))
	}
	if err := p.walk(strings.TrimSuffix(*client, "/"), url.QueryEscape(*agent), *from, *to); err != nil {
		log.Fatal(err)
	}
}

// walk runs the cases from to to.
func (p *Peer) walk(base, agent string, from, to int) error {
	if to <= 0 {
		var err error
		if to, err = p.count(base); err != nil {
			return err
		}
	}
	for n := from; n <= to; n++ {
		fmt.Println(n) // whoever runs us knows where we were, should we die
		echo := func([]byte) bool { return true }
		if err := p.Dial(fmt.Sprintf("%s/runCase?case=%d&agent=%s", base, n, agent), echo); err != nil {
			log.Printf("case %d: %v", n, err) // as it should be, in some
		}
	}
	if err := p.Dial(base+"/updateReports?agent="+agent, func([]byte) bool { return false }); err != nil {
		log.Printf("/updateReports: %v", err) // the cases have been run nevertheless
	}
	return nil
}

// count asks how many cases there are.
func (p *Peer) count(base string) (int, error) {
	var answer string
	err := p.Dial(base+"/getCaseCount", func(p []byte) bool {
		answer = string(p)
		return false
	})
	if err != nil {
		return 0, err
	}
	if answer == "" {
		return 0, errors.New("no answer to /getCaseCount")
	}
	return strconv.Atoi(answer)
}
