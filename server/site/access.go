package site

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Access says who may come to a route, and how often.
type Access struct {
	Allow Setting[Ranges] // not set: everybody
	Deny  Setting[Ranges] // even of those who are allowed
	Rate  Rate
	Auth  *Auth // nil: everybody
}

// Rate limits the requests to a route, handshakes among them.
type Rate struct {
	Requests Setting[Frequency]
	Burst    Setting[int]    // that may come at once; 0: as many as in a second, but at least one
	Per      Setting[string] // "ip": of each client; "route": of all together
}

// A Frequency is a number of times in a time. The zero one is no limit.
type Frequency struct {
	Times int
	In    time.Duration
}

// Most returns how many may come at once.
func (r *Rate) Most() int {
	f := r.Requests.Value
	switch {
	case r.Burst.Value > 0:
		return r.Burst.Value
	case f.In <= 0:
		return 0
	}
	return max(int(float64(f.Times)*float64(time.Second)/float64(f.In)), 1)
}

func (a *Access) fields() []field {
	return []field{
		{name: "allow", to: ranges(&a.Allow, everyone), none: "everybody",
			doc: "The clients that may come, as ranges of addresses, `'unix'` for those of Unix sockets, or `'all'`. Others get 403."},
		{name: "deny", to: ranges(&a.Deny, nobody), none: "nobody",
			doc: "The clients that may not come, even if they are in `allow`. They get 403."},
		{name: "auth", to: authBinding{&a.Auth}, none: "everybody",
			doc: "The users that may come, others get 401: by `basic`, by `jwt`, or if both are given by either. A route that says neither inherits them; `'none'` lets everybody come."},
		{name: "rate", to: nested{list: a.Rate.fields()},
			doc: "How often clients may come."},
	}
}

func (r *Rate) fields() []field {
	return []field{
		{name: "requests", to: frequency(&r.Requests), def: `'unlimited'`,
			doc: "Requests in a time, handshakes among them: more get 429 with `Retry-After`. What is inherited counts for each route by itself, " +
				"and for the requests that no route answers."},
		{name: "burst", to: number(&r.Burst, 1, math.MaxInt32), none: "those of a second",
			doc: "How many may come at once after a pause."},
		{name: "per", to: word(&r.Per, "ip", "route"), def: `'ip'`,
			doc: "`'ip'` counts for each client: an IPv4 address or the /64 of an IPv6 address. `'route'` counts all together."},
	}
}

// ParseFrequency reads a number of times in a time as the file has it: "20/s",
// "100 / min", "1000/2h". The words for no limit give the zero Frequency.
func ParseFrequency(s string) (f Frequency, err error) {
	const right = "a number for a time is wanted, such as '20/s' or '100/min'"
	text := strings.TrimSpace(s)
	if isNoLimit(text) {
		return f, nil
	}
	number, in, ok := strings.Cut(text, "/")
	if !ok {
		if n, err := strconv.ParseUint(text, 10, 31); err == nil && n > 0 {
			return f, problem(quote(s)+" is for no time", "did you mean '"+text+"/s'?")
		}
		return f, unsuitable(s, "a rate", right, noLimit)
	}
	number, in = strings.TrimSpace(number), strings.TrimSpace(in)
	n, err := strconv.ParseUint(number, 10, 64)
	switch {
	case err == nil && n == 0:
		return f, zero(s, "rate")
	case strings.HasPrefix(number, "-"):
		return f, negative(s, "rate")
	case err == nil && n > math.MaxInt32 || err != nil && number != "" && strings.Trim(number, "0123456789") == "":
		return f, tooLarge(s, "rate")
	case err != nil:
		return f, problem(quote(s)+" is not a rate", "the number is a whole one; a rate below one a second is written such as '30/min'")
	case in == "":
		return f, problem(quote(s)+" is not a rate", right)
	}
	if findUnit(durationUnits, in, false) >= 0 {
		in = "1 " + in
	}
	d, err := ParseDuration(in)
	switch {
	case err != nil:
		return f, problem(quote(s)+" is not a rate", "behind the / is a time, such as s, min, hour or '10 s'")
	case d == Unlimited:
		return f, problem(quote(s)+" is not a rate", right)
	case int64(n) > int64(d):
		return f, tooLarge(s, "rate")
	}
	return Frequency{int(n), d}, nil
}

// String writes a Frequency as a file has it.
func (f Frequency) String() string {
	if f.Times == 0 {
		return "unlimited"
	}
	in := strings.Trim(FormatDuration(f.In), "'")
	in = strings.TrimPrefix(in, "1 ")
	return strconv.Itoa(f.Times) + "/" + in
}

// frequency binds a number of times in a time, or unlimited.
func frequency(p *Setting[Frequency]) binding {
	return shaped[Frequency]{scalar[Frequency]{p, "rate or `'unlimited'`", func(d *decoder, n *Node) (f Frequency, ok bool) {
		switch {
		case n.Kind == Number && n.Float() > 0 && n.Float() < math.MaxInt32:
			d.fail(n, quote(n.Text)+" is for no time", "did you mean '"+cutQuoted(n.Text)+"/s'?")
			return f, false
		case n.Kind != String:
			d.wrongKind(n, "a rate, such as '20/s', or 'unlimited'")
			return f, false
		}
		f, err := ParseFrequency(n.Text)
		if err != nil {
			d.wrong(n, err)
		}
		return f, err == nil
	}}, keywords{"anyOf": []any{
		keywords{"type": "string", "pattern": `^\s*[0-9]*[1-9][0-9]*\s*/\s*[^\s/]`}, keywords{"$ref": "#/$defs/noLimit"},
	}}}
}
