package proto

import (
	"encoding/base64"
	"fmt"
	"slices"
)

// A Kind is what a request asks for.
type Kind int

const (
	Unknown Kind = iota
	Hello
	Subscribe
	Unsubscribe
	Publish
	History
	Presence
	Refresh
)

var kinds = map[string]Kind{
	"hello": Hello, "subscribe": Subscribe, "unsubscribe": Unsubscribe, "publish": Publish,
	"history": History, "presence": Presence, "refresh": Refresh,
}

func (k Kind) String() string {
	for name, is := range kinds {
		if is == k {
			return name
		}
	}
	return "unknown"
}

// A Request is what a client asks. Which of the fields mean something follows from
// Kind. Data is a part of the text that was parsed, or was decoded from data64.
type Request struct {
	ID   int64 // 0 if there is none that can be repeated
	Kind Kind
	Err  *Error // it cannot be done as it stands; ID and Kind may still be known

	Token, Client string    // Hello; Token also Refresh
	Channel       string    // all but Hello and Refresh
	User          string    // Publish, of the HTTP interface only
	Since         *Position // Subscribe, History
	Presence      bool      // Subscribe
	Data          []byte    // Publish: JSON
	Binary        bool      // Data is bytes instead
	Key, Dedupe   string    // Publish
	Limit         int       // History; 0 if it is not there
	Reverse       bool      // History
}

// Parse reads what a client has sent: a request, or an array of them. It calls f
// for each, in order; f returns false to stop. What is no JSON is an error, which
// ends the connection with 1007.
func Parse(p []byte, f func(*Request) bool) error {
	if !check(p, maxDepth) {
		return errJSON
	}
	if tooMany(p) {
		f(&Request{Err: errBatch})
	} else if !elements(p, func(value []byte) bool { return f(parse(value)) }) {
		f(parse(p))
	}
	return nil
}

// tooMany reports whether p is an array of more than MaxBatch, of which nothing is
// done.
func tooMany(p []byte) bool {
	n := 0
	elements(p, func([]byte) bool { n++; return n <= MaxBatch })
	return n > MaxBatch
}

var errBatch = bad("more than %d in an array: nothing of it was done", MaxBatch)

func bad(format string, args ...any) *Error {
	return &Error{Code: BadRequest, Message: fmt.Sprintf(format, args...)}
}

// fail keeps the first thing that is wrong.
func (r *Request) fail(format string, args ...any) {
	if r.Err == nil {
		r.Err = bad(format, args...)
	}
}

// parse reads one request.
func parse(p []byte) *Request {
	r := new(Request)
	var body []byte
	var seen names
	object := members(p, func(name string, value []byte) bool {
		switch kind := kinds[name]; {
		case name != "id" && kind == Unknown:
		case !seen.add(name):
			r.fail("%s is there twice", name)
		case name == "id":
			if id, ok := number(value); ok && id > 0 {
				r.ID = id
			} else {
				r.fail("id is a whole number from 1 to 2^53")
			}
		case r.Kind != Unknown:
			r.fail("two requests in one object: %v and %v", r.Kind, kind)
		default:
			r.Kind, body = kind, value
		}
		return true
	})
	switch {
	case !object:
		r.fail("a request is an object")
	case r.ID == 0:
		r.fail("a request has an id")
	case r.Kind == Unknown:
		r.fail("this is no request that is known here")
	}
	if r.Err == nil {
		r.parseBody(body)
	}
	return r
}

// ParseBody reads what a request of a kind says, or an array of it, where the kind
// is known: as the HTTP interface does. It calls f for each, and reports whether it
// was an array. One that is too long counts as a single request with Err.
func ParseBody(k Kind, p []byte, f func(*Request)) (array bool, err error) {
	if !check(p, maxDepth) {
		return false, errJSON
	}
	if tooMany(p) {
		f(&Request{Kind: k, Err: errBatch})
		return false, nil
	}
	one := func(value []byte) bool {
		r := &Request{Kind: k}
		r.parseBody(value)
		f(r)
		return true
	}
	if elements(p, one) {
		return true, nil
	}
	one(p)
	return false, nil
}

// parseBody reads the members of a request whose kind is known.
func (r *Request) parseBody(body []byte) {
	var seen names
	if !members(body, func(name string, value []byte) bool {
		if name == "user" && r.ID == 0 && r.Kind == Publish { // no client says who it is
			var ok bool
			if r.User, ok = text(value); !ok || !seen.add(name) {
				r.fail("publish.user is not what it should be")
			}
			return r.Err == nil
		}
		if f := fields[name]; slices.Contains(f.of, r.Kind) {
			if !seen.add(name) {
				r.fail("%s.%s is there twice", r.Kind, name)
			} else if !f.set(r, value) {
				r.fail("%s.%s is not what it should be", r.Kind, name)
			}
		}
		return r.Err == nil
	}) {
		r.fail("%s is an object", r.Kind)
	}
	r.check()
}

// names are those that were seen. They are few.
type names struct {
	list [12]string
	n    int
}

func (s *names) add(name string) bool {
	for _, have := range s.list[:s.n] {
		if have == name {
			return false
		}
	}
	if s.n < len(s.list) {
		s.list[s.n] = name
		s.n++
	}
	return true
}

// A field is a member of requests.
type field struct {
	of  []Kind                          // those that have it: in others it is not known
	set func(r *Request, p []byte) bool // reports whether the value has its type
}

var fields = map[string]field{
	"token":   {[]Kind{Hello, Refresh}, func(r *Request, p []byte) (ok bool) { r.Token, ok = text(p); return ok }},
	"client":  {[]Kind{Hello}, func(r *Request, p []byte) (ok bool) { r.Client, ok = text(p); return ok }},
	"channel": {[]Kind{Subscribe, Unsubscribe, Publish, History, Presence}, func(r *Request, p []byte) (ok bool) { r.Channel, ok = text(p); return ok }},
	"since": {[]Kind{Subscribe, History}, func(r *Request, p []byte) (ok bool) {
		if string(p) == "null" {
			return true
		}
		r.Since, ok = position(p)
		return ok
	}},
	"presence": {[]Kind{Subscribe}, func(r *Request, p []byte) (ok bool) { r.Presence, ok = boolean(p); return ok }},
	"data":     {[]Kind{Publish}, func(r *Request, p []byte) bool { return r.setData(p, false) }},
	"data64": {[]Kind{Publish}, func(r *Request, p []byte) bool {
		s, ok := text(p)
		if !ok {
			return false
		}
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		return err == nil && r.setData(b, true)
	}},
	"key":     {[]Kind{Publish}, func(r *Request, p []byte) (ok bool) { r.Key, ok = text(p); return ok && len(r.Key) <= MaxKey }},
	"dedupe":  {[]Kind{Publish}, func(r *Request, p []byte) (ok bool) { r.Dedupe, ok = text(p); return ok && len(r.Dedupe) <= MaxDedupe }},
	"reverse": {[]Kind{History}, func(r *Request, p []byte) (ok bool) { r.Reverse, ok = boolean(p); return ok }},
	"limit": {[]Kind{History}, func(r *Request, p []byte) bool {
		n, ok := number(p)
		r.Limit = int(min(n, 1<<31-1))
		return ok && n > 0
	}},
}

func (r *Request) setData(p []byte, binary bool) bool {
	if r.Data != nil {
		return false // both data and data64
	}
	if p == nil {
		p = []byte{}
	}
	r.Data, r.Binary = p, binary
	return true
}

// check looks for what must be there.
func (r *Request) check() {
	switch r.Kind {
	case Hello, Refresh:
	default:
		if !ValidName(r.Channel) {
			r.fail("%s.channel is no name of a channel", r.Kind)
		}
	}
	if r.Kind == Publish && r.Data == nil {
		r.fail("publish has data or data64")
	}
}

// position reads {"epoch":"…","offset":N}.
func position(p []byte) (*Position, bool) {
	at, have := new(Position), 0
	ok := members(p, func(name string, value []byte) (ok bool) {
		switch name {
		case "epoch":
			at.Epoch, ok = text(value)
			have += 1
		case "offset":
			at.Offset, ok = number(value)
			have += 4
		default:
			return true
		}
		if !ok {
			have = -1
		}
		return ok
	})
	return at, ok && have == 5 // each once
}
