package fallback

import (
	"net/http"
	"testing"
)

// FB8, FB13 and rule 8: pages, for every method.
func TestFB8_FB13_Origins(t *testing.T) {
	const listed, wild, own, evil = "https://a.example", "https://x.b.example", "http://example.com", "https://evil.example"
	for _, o := range []struct {
		name    string
		options Options
		answers map[string]string // by origin: what Allow-Origin says, "" is 403
	}{
		{"none", Options{}, map[string]string{own: own, evil: "", "null": "", "": "", "https://example.com": "", "http://example.com:8080": ""}},
		{"listed", Options{Origins: []string{listed, "https://*.b.example"}}, map[string]string{
			own: own, listed: listed, wild: wild, evil: "", "null": "", "http://a.example": "", "https://b.example": "",
			"https://a.example.evil.example": "", "https://x.b.example:444": "", "https://evilb.example": "",
		}},
		{"any", Options{Origins: []string{listed}, InsecureAnyOrigin: true}, map[string]string{
			own: own, listed: listed, evil: "*", "null": "*", "nonsense": "*",
		}},
		{"asked", Options{AllowOrigin: func(_ *http.Request, origin string) bool { return origin == listed }, InsecureAnyOrigin: true}, map[string]string{
			own: "", listed: listed, evil: "", "null": "",
		}},
	} {
		t.Run(o.name, func(t *testing.T) {
			in(t, nil, &o.options, func(h *house) {
				v := h.open()
				check := func(method, query, origin string, status int) {
					t.Helper()
					allowed := o.answers[origin]
					if allowed == "" {
						status = 403
					}
					a := h.want(method+" from "+origin, h.do(method, query, "", "Origin", origin), status)
					credentials := ""
					if allowed != "" && allowed != "*" {
						credentials = "true"
					}
					if a.header.Get("Timing-Allow-Origin") != allowed || a.header.Get("Access-Control-Allow-Origin") != allowed || a.header.Get("Access-Control-Allow-Credentials") != credentials ||
						a.header.Get("Vary") != "Origin" || len(a.header["Access-Control-Allow-Origin"]) > 1 {
						t.Errorf("%s from %s: %v", method, origin, a.header)
					}
				}
				for origin := range o.answers {
					check("OPTIONS", "curlew=open", origin, 204)
					check("OPTIONS", "curlew="+v.id, origin, 204)
					check("OPTIONS", "curlew=unknown", origin, 204)
					check("GET", "curlew="+v.id+"&at=0&mode=poll&wait=0", origin, 204)
					check("GET", "curlew="+v.id+"&at=0&mode=sse", origin, 200)
					check("POST", "curlew="+v.id+"&at=0", origin, 204)
					check("POST", "curlew="+v.id+"&at=9", origin, 409)
					check("DELETE", "curlew=unknown", origin, 404)
					check("PUT", "curlew="+v.id, origin, 405)
					check("POST", "curlew=open", origin, 200)
					if o.answers[origin] != "" {
						other := &visit{h, "", <-h.conns}
						other.conn.Close()
					}
				}
				h.want("no page", v.get("at=0&mode=poll&wait=0"), 204)
				h.want("two origins", v.get("at=0&mode=poll&wait=0", "Origin", own, "Origin", own), 403)
				for site, status := range map[string]int{"same-origin": 204, "none": 204, "same-site": 403, "cross-site": 403, "": 403, "x": 403} {
					if o.name == "any" {
						status = 204
					}
					h.want("Sec-Fetch-Site: "+site, v.get("at=0&mode=poll&wait=0", "Sec-Fetch-Site", site), status)
					h.want("Sec-Fetch-Site: "+site, v.post("at=0", "", "Sec-Fetch-Site", site, "Content-Type", "text/plain"), status)
				}
				// An Origin alone decides.
				for origin, allowed := range o.answers {
					status := 204
					if allowed == "" {
						status = 403
					}
					h.want(origin, v.get("at=0&mode=poll&wait=0", "Origin", origin, "Sec-Fetch-Site", "cross-site"), status)
				}
				v.delete()
			})
		})
	}
}

// What a browser asks before it sends.
func TestPreflight(t *testing.T) {
	in(t, nil, &Options{Origins: []string{"https://a.example"}}, func(h *house) {
		a := h.want("preflight", h.do("OPTIONS", "curlew=x&at=nonsense", "", "Origin", "https://a.example",
			"Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization"), 204)
		for name, want := range map[string]string{
			"Access-Control-Allow-Methods": "GET, POST, DELETE", "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
			"Access-Control-Max-Age": "600", "Allow": allowed, "Access-Control-Allow-Origin": "https://a.example", "Content-Length": "",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		a = h.want("none", h.do("OPTIONS", "curlew=x", ""), 204)
		if a.header.Get("Access-Control-Allow-Methods") != "" || a.header.Get("Allow") != allowed {
			t.Error(a.header)
		}
		h.want("evil", h.do("OPTIONS", "curlew=x", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"), 403)
	})
}

// FB8: origins that are none are the programmer's error, and nobody is let in.
func TestFB8_InvalidOrigins(t *testing.T) {
	in(t, nil, &Options{Origins: []string{"*"}, InsecureAnyOrigin: true}, func(h *house) {
		h.want("open", h.do("POST", "curlew=open", ""), 500)
		h.want("GET", h.do("GET", "curlew=x", ""), 500)
	})
}

// What is not the fallback's goes to the handler as it is.
func TestFB5_FB12_Others(t *testing.T) {
	in(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Saw", r.Method+" "+r.RequestURI)
		w.WriteHeader(299)
	}), nil, func(h *house) {
		for _, q := range []string{"", "x=1", "curlew", "callback=f&t=1", "transport=htmlfile"} {
			if a := h.want(q, h.do("PUT", q, "", "Origin", "https://evil.example"), 299); a.header.Get("Saw") != "PUT /echo?"+q || a.header.Get("Vary") != "" {
				t.Error(a.header)
			}
		}
	})
	in(t, nil, nil, func(h *house) { // no script is ever answered
		v := h.open()
		v.says("alert(1)")
		a := h.want("JSONP", v.get("at=0&mode=poll&callback=f&jsonp=f&cb=f"), 200)
		if a.body != "alert(1)" || a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q %v", a.body, a.header)
		}
		v.delete()
	})
}
