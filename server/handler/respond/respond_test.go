package respond

import (
	"net/http/httptest"
	"testing"

	"curlew.example/curlew/server/site"
)

func TestRespond(t *testing.T) {
	for _, c := range []struct {
		status  int
		body    string
		headers site.Headers
		kind    string
	}{
		{200, "hello", nil, "text/plain; charset=utf-8"},
		{503, "<b>later</b>", site.Headers{{Name: "Content-Type", Values: []string{"text/html"}}, {Name: "Retry-After", Values: []string{"9"}}}, "text/html"},
		{204, "", nil, ""},
	} {
		h, err := New(&site.Route{Respond: &site.Respond{
			Status: site.Setting[int]{Value: c.status}, Body: site.Setting[string]{Value: c.body}, Headers: c.headers,
		}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{"GET", "POST"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
			if w.Code != c.status || w.Body.String() != c.body || w.Header().Get("Content-Type") != c.kind {
				t.Errorf("%s: %d %q %q", method, w.Code, w.Header().Get("Content-Type"), w.Body)
			}
			for _, f := range c.headers {
				if w.Header().Get(f.Name) != f.Values[0] {
					t.Errorf("%s: %q", f.Name, w.Header().Get(f.Name))
				}
			}
		}
	}
}

func TestBodyWhereNoneBelongs(t *testing.T) {
	_, err := New(&site.Route{Respond: &site.Respond{
		Status: site.Setting[int]{Value: 304}, Body: site.Setting[string]{Value: "x"},
	}}, nil)
	if err == nil {
		t.Error("a body for 304 is accepted")
	}
}
