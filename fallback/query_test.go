package fallback

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func TestQuery(t *testing.T) {
	for _, c := range []struct {
		query         string
		is, isSession bool
	}{
		{"", false, false},
		{"curlew", false, false},
		{"xcurlew=open", false, false},
		{"a=curlew=open", false, false},
		{"curle%77=open", false, false},
		{"curlew=open", true, false},
		{"a=%zz&b;c&curlew=open", true, false},
		{"curlew=open&curlew=x", true, false},
		{"curlew=", true, true},
		{"curlew=x", true, true},
		{"curlew=x&curlew=open", true, true},
		{"curlew=Open", true, true},
		{"curlew=open;", true, true},
		{"curlew=%6fpen", true, true},
		{"&&curlew=x", true, true},
	} {
		r := &http.Request{Method: "POST", URL: &url.URL{RawQuery: c.query}}
		if Is(r) != c.is || Session(r) != c.isSession {
			t.Errorf("%s: Is %v, Session %v", c.query, Is(r), Session(r))
		}
		if q, err := parse(r); c.is && err == nil && (q.session == "open") == c.isSession {
			t.Errorf("%s: parse takes it for %+v", c.query, q)
		}
	}
}

func TestQueryNumbers(t *testing.T) {
	for _, c := range []struct {
		method, query string
		ok            bool
		want          query
	}{
		{"GET", "curlew=s&at=0&mode=poll", true, query{session: "s", ack: -1, mode: "poll", wait: -1}},
		{"GET", "at=7&mode=mine&curlew=s&at=0&mode=poll&x=%zz", true, query{session: "s", ack: -1, mode: "poll", wait: -1}},
		{"GET", "curlew=s&at=9007199254740991&wait=5&ack=x", true, query{session: "s", at: 1<<53 - 1, ack: -1, wait: 5 * time.Millisecond}},
		{"POST", "curlew=s&at=1&ack=2&wait=x", true, query{session: "s", at: 1, ack: 2, wait: -1}},
		{"DELETE", "curlew=s&at=x", true, query{session: "s", ack: -1, wait: -1}},
		{"GET", "curlew=s&at=9007199254740992", false, query{}},
		{"GET", "curlew=s&at=18446744073709551616", false, query{}},
		{"GET", "curlew=s&at=-1", false, query{}},
		{"GET", "curlew=s&at=%2B1", false, query{}},
		{"GET", "curlew=s&at=+1", false, query{}},
		{"GET", "curlew=s&at=1_0", false, query{}},
		{"GET", "curlew=s&at=0x1", false, query{}},
		{"GET", "curlew=s&at=1.0", false, query{}},
		{"GET", "curlew=s&at=", false, query{}},
		{"GET", "curlew=s", false, query{}},
		{"GET", "curlew=s&at=1&at=1", false, query{}},
		{"GET", "curlew=s&at=1&mode=poll&mode=poll", false, query{}},
		{"GET", "curlew=s&at=1&wait=-1", false, query{}},
		{"GET", "curlew=s&at=1&wait=", false, query{}},
		{"POST", "curlew=s&ack=1", false, query{}},
		{"POST", "curlew=s&at=1&ack=", false, query{}},
		{"POST", "curlew=s&at=1&ack=-1", false, query{}},
		{"POST", "curlew=s&curlew=s&at=1", false, query{}},
	} {
		q, err := parse(&http.Request{Method: c.method, URL: &url.URL{RawQuery: c.query}})
		if (err == nil) != c.ok || c.ok && (q.session != c.want.session || q.at != c.want.at || q.ack != c.want.ack || q.mode != c.want.mode || q.wait != c.want.wait) {
			t.Errorf("%s %s: %+v, %v", c.method, c.query, q, err)
		}
	}
}

func FuzzQuery(f *testing.F) {
	f.Add("GET", "curlew=s&at=0&mode=poll&wait=1", "7")
	f.Add("POST", "a=b&curlew=open&protocol=a%2Cb&c=d", "")
	f.Add("POST", "curlew=s&at=9007199254740991&ack=1", "")
	f.Fuzz(func(t *testing.T, method, raw, id string) {
		r := &http.Request{Method: method, URL: &url.URL{RawQuery: raw}, Header: http.Header{"Last-Event-Id": {id}}}
		if !Is(r) {
			if Session(r) {
				t.Error("a session's that is not the fallback's")
			}
			return
		}
		q, err := parse(r)
		if err != nil {
			return
		}
		if (q.session == "open") == Session(r) {
			t.Errorf("Session is %v of %+v", Session(r), q)
		}
		if q.at < 0 || q.at >= 1<<53 || q.ack < -1 || q.ack >= 1<<53 || q.wait < -1 {
			t.Errorf("%+v", q)
		}
		if again := (&http.Request{URL: &url.URL{RawQuery: q.rest}}); q.session == "open" && Is(again) {
			t.Errorf("the handler is given %q", q.rest)
		}
		if slices.ContainsFunc(q.protocols, func(s string) bool { return strings.ContainsAny(s, "\r\n\x00") }) {
			t.Errorf("protocols %q", q.protocols)
		}
	})
}
