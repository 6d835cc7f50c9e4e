package fallback

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Param is the query parameter that makes a request one of the fallback's. Its other
// parameters stand behind this one; what stands in front is the application's,
// whatever its names.
const Param = "curlew"

// Is reports whether a request is one of the fallback's.
func Is(r *http.Request) bool {
	_, _, ok := split(r.URL.RawQuery)
	return ok
}

// Session reports whether a request belongs to a session that is open already, or
// was: what the handler behind is not asked about.
func Session(r *http.Request) bool {
	_, ours, ok := split(r.URL.RawQuery)
	return ok && !isOpen(ours)
}

// split cuts a query before the fallback's first parameter.
func split(query string) (own, ours string, ok bool) {
	const first = Param + "="
	if strings.HasPrefix(query, first) {
		return "", query, true
	}
	if i := strings.Index(query, "&"+first); i >= 0 {
		return query[:i], query[i+1:], true
	}
	return query, "", false
}

func isOpen(ours string) bool {
	first, _, _ := strings.Cut(ours, "&")
	return first == Param+"=open"
}

// A query is what the parameters of a request say.
type query struct {
	session string // or "open"
	at, ack int64  // ack is -1 if it is not there
	mode    string
	wait    time.Duration // -1 if it is not there

	// Of an open.
	rest      string   // the query of the handler behind
	protocols []string // as lines of Sec-WebSocket-Protocol
}

// parse reads the parameters. Those of the fallback are there once at most, besides
// protocol; others are the application's.
func parse(r *http.Request) (*query, error) {
	own, ours, _ := split(r.URL.RawQuery)
	q := &query{ack: -1, wait: -1}
	if isOpen(ours) {
		q.session = "open"
		return q, q.parseOpen(own, ours)
	}
	values := make(map[string]string)
	for part := range strings.SplitSeq(ours, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case Param, "at", "ack", "mode", "wait":
			if _, twice := values[name]; twice {
				return nil, errors.New("the parameter " + name + " is there twice")
			}
			values[name] = value
		}
	}
	q.session, q.mode = values[Param], values["mode"]
	return q, q.parseNumbers(r, values)
}

// parseOpen takes what is the fallback's out of the query of an open, which else
// stays as it is.
func (q *query) parseOpen(own, ours string) error {
	var keep []string
	if own != "" {
		keep = append(keep, own)
	}
	_, ours, _ = strings.Cut(ours, "&")
	for part := range strings.SplitSeq(ours, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case Param:
			return errors.New("the parameter " + Param + " is there twice")
		case "protocol":
			names, err := url.QueryUnescape(value)
			if err != nil || strings.ContainsFunc(names, isControl) {
				return errors.New("protocol is no list of subprotocols")
			}
			if names != "" {
				q.protocols = append(q.protocols, names)
			}
		case "":
		default:
			keep = append(keep, part)
		}
	}
	q.rest = strings.Join(keep, "&")
	return nil
}

// isControl tells what no field of a header may hold. RFC 9110, 5.5.
func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

func (q *query) parseNumbers(r *http.Request, values map[string]string) (err error) {
	get := r.Method == http.MethodGet
	if !get && r.Method != http.MethodPost {
		return nil
	}
	if q.at, err = number(values["at"]); err != nil {
		return errors.New("at is not a position: a number of bytes is wanted")
	}
	if text, ok := values["ack"]; ok && !get {
		if q.ack, err = number(text); err != nil {
			return errors.New("ack is not a position: a number of bytes is wanted")
		}
	}
	if text, ok := values["wait"]; ok && get {
		ms, err := number(text)
		if err != nil || ms > maxWait {
			return errors.New("wait is not a number of milliseconds")
		}
		q.wait = time.Duration(ms) * time.Millisecond
	}
	if id := r.Header["Last-Event-Id"]; get && q.mode == "sse" && len(id) > 0 {
		if q.at, err = number(id[0]); err != nil || len(id) > 1 {
			return errors.New("Last-Event-ID is not a position")
		}
	}
	return nil
}

// maxWait is the longest wait that is understood; Options.Poll bounds it anyway.
const maxWait = 1 << 31

// number reads digits, and no more than JavaScript can count exactly.
func number(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 53)
	return int64(n), err
}
