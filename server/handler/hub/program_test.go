package hub

import (
	"errors"
	"testing"
)

// The program publishes where nobody else may, and knows whether anybody hears it.
func TestProgram(t *testing.T) {
	if err := new(Hub).Publish(t.Context(), "x", "", []byte("1")); !errors.Is(err, errNoRoute) || new(Hub).Subscribed("x") {
		t.Errorf("without a route: %v", err)
	}
	in(t, `namespaces: { news: { publish: 'nobody' } }`, aRoute, func(h *house) {
		a := h.hello(`{}`)
		a.ask(`{"id":2,"subscribe":{"channel":"news:a"}}`, `"subscribed"`)
		a.ask(`{"id":3,"publish":{"channel":"news:a","data":1}}`, `"forbidden"`)
		for channel, want := range map[string]bool{"news:a": true, "news:": false, "news:b": false} {
			if h.hub.Subscribed(channel) != want {
				t.Errorf("%s: subscribed is %v", channel, !want)
			}
		}
		if err := h.hub.Publish(t.Context(), "news:a", "k", []byte(`{"n":1}`)); err != nil {
			t.Error(err)
		}
		a.hear(`"data":{"n":1}`, `"key":"k"`)
		if h.hub.Publish(t.Context(), "news:a", "", []byte(`{`)) == nil || h.hub.Publish(t.Context(), "none:a", "", []byte(`1`)) == nil {
			t.Error("published what cannot be")
		}
	})
}
