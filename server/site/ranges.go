package site

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Ranges are ranges of addresses.
type Ranges struct {
	Prefixes []netip.Prefix // as the file has them, in its order
	Unix     bool           // the clients of Unix sockets, which have no address
	All      bool           // every client

	set  map[netip.Prefix]bool // Prefixes
	bits []bits                // the lengths of Prefixes, each once
}

// bits is the length of a prefix, of IPv4 or IPv6.
type bits struct {
	of6 bool
	n   int
}

// Empty reports whether no address is in the ranges.
func (r *Ranges) Empty() bool { return len(r.Prefixes) == 0 && !r.Unix && !r.All }

// Contains reports whether an address is in one of the ranges. The zero Addr is
// that of the client of a Unix socket. IPv4 addresses written as IPv6 ones are
// the IPv4 addresses, and zones do not matter.
func (r *Ranges) Contains(a netip.Addr) bool {
	if !a.IsValid() {
		return r.Unix || r.All
	}
	if r.All {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, b := range r.bits {
		if b.of6 == a.Is6() {
			if p, err := a.Prefix(b.n); err == nil && r.set[p] {
				return true
			}
		}
	}
	return false
}

// add puts a range in, and reports false if it is there.
func (r *Ranges) add(p netip.Prefix) bool {
	if r.set[p] {
		return false
	}
	if r.set == nil {
		r.set = make(map[netip.Prefix]bool)
	}
	r.set[p] = true
	r.Prefixes = append(r.Prefixes, p)
	if b := (bits{p.Addr().Is6(), p.Bits()}); !slices.Contains(r.bits, b) {
		r.bits = append(r.bits, b)
	}
	return true
}

// NewRanges returns the ranges of a list of texts as a site file has them.
func NewRanges(list ...string) (*Ranges, error) {
	r := new(Ranges)
	for _, s := range list {
		if err := r.parse(s, everyone); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// parse adds a text: a range, an address, 'unix', or 'all' where that may be:
// all is empty, or what would be right.
func (r *Ranges) parse(s string, all string) error {
	wrong := func(right string) error { return problem(quote(s)+" is not a range of addresses", right) }
	twice := problem(quote(s)+" is given twice", "keep one of them")
	switch {
	case s == "unix" || s == "all" && all == everyone:
		p := &r.Unix
		if s == "all" {
			p = &r.All
		}
		if *p {
			return twice
		}
		*p = true
		return nil
	case s == "all" || s == "*":
		if all == everyone {
			return wrong("did you mean 'all'?")
		}
		return wrong(all)
	case s == "localhost":
		return wrong("did you mean '127.0.0.0/8'? '::1' is another one")
	}
	address, length, isRange := strings.Cut(s, "/")
	a, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return wrong("an address or a range is written such as '192.0.2.7', '10.0.0.0/8' or '2001:db8::/32'")
	case a.Zone() != "":
		return wrong("write it without the zone")
	case a.Is4In6():
		return wrong("did you mean '" + a.Unmap().String() + "'?")
	case !isRange:
		length = strconv.Itoa(a.BitLen())
	}
	p, err := netip.ParsePrefix(address + "/" + length)
	switch {
	case err != nil:
		return wrong("behind the / is a number of bits from 0 to " + strconv.Itoa(a.BitLen()))
	case p != p.Masked():
		return wrong("did you mean '" + p.Masked().String() + "', or '" + address + "' alone?")
	case p.Bits() == 0 && all == proxies:
		return wrong(all)
	case !r.add(p):
		return twice
	}
	return nil
}

// What is right instead of 'all'.
const (
	everyone = "" // it is right
	nobody   = "name in allow who may come"
	proxies  = "name the proxies: whoever is in the ranges can pretend to be anybody"
)

// ranges binds ranges of addresses; all says whether they may be all there are.
func ranges(p *Setting[Ranges], all string) binding {
	return scalar[Ranges]{p, "range or a list", func(d *decoder, n *Node) (Ranges, bool) {
		r, items, ok := Ranges{}, n.Items, true
		if n.Kind != Array {
			items = []*Node{n}
		}
		for i, item := range items {
			if item.bad {
				ok = false
				continue
			}
			mark := len(d.path.text)
			if n.Kind == Array {
				d.path.index(i)
			}
			_, good := checked(d, item, "a range of addresses or a list of them", func(s string) error { return r.parse(s, all) })
			ok = ok && good
			d.path.pop(mark)
		}
		if ok && r.Empty() && all == everyone {
			d.fail(n, "found an empty list", "'all' allows everybody")
			return r, false
		}
		return r, ok
	}}
}
