package exec

import (
	"net/http"
	"net/netip"
	"sync"
)

// places counts the programs that run. The zero value has none.
type places struct {
	mu     sync.Mutex // guards the following
	all    int
	each   map[netip.Prefix]int // by route.Client
	saying int                  // programs whose words are yet to be logged
	empty  chan struct{}        // made by wait; closed when all and saying are 0
}

// take takes a place, or returns the status for a client that finds none. Less
// than 0 is no limit. A client without an address is not counted by it.
func (p *places) take(client netip.Prefix, all, each int) (status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case each >= 0 && client.IsValid() && p.each[client] >= each:
		return http.StatusTooManyRequests
	case all >= 0 && p.all >= all:
		return http.StatusServiceUnavailable
	}
	p.all++
	if client.IsValid() {
		if p.each == nil {
			p.each = make(map[netip.Prefix]int)
		}
		p.each[client]++
	}
	return 0
}

// give gives it back.
func (p *places) give(client netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if client.IsValid() {
		if p.each[client]--; p.each[client] == 0 {
			delete(p.each, client)
		}
	}
	if p.all--; p.all == 0 {
		p.each = nil // a map keeps the size that it once had
	}
	p.tellLocked()
}

// says notes that a program has words for the log, which may come for longer than it
// has a place; said that they are in it.
func (p *places) says() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saying++
}

func (p *places) said() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saying--
	p.tellLocked()
}

// tellLocked ends wait when there is nothing to wait for.
func (p *places) tellLocked() {
	if p.all == 0 && p.saying == 0 && p.empty != nil {
		close(p.empty)
		p.empty = nil
	}
}

func (p *places) number() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all
}

// wait waits until no place is taken and all is said.
func (p *places) wait() {
	p.mu.Lock()
	if p.all == 0 && p.saying == 0 {
		p.mu.Unlock()
		return
	}
	if p.empty == nil {
		p.empty = make(chan struct{})
	}
	empty := p.empty
	p.mu.Unlock()
	<-empty
}
