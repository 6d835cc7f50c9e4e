package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"curlew.example/curlew/hub/proto"
)

// TestNothingBehindTheEnd: whoever is closed in the middle of an array has nothing more
// of it done.
func TestNothingBehindTheEnd(t *testing.T) {
	o := rooms()
	o.Namespaces["plain"].Publish = Anyone
	o.Connect = func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
		if token != "good" {
			return nil, errors.New("no")
		}
		return &Identity{}, nil
	}
	const good, publish = `{"id":2,"hello":{"token":"good"}}`, `{"id":3,"publish":{"channel":"plain","data":1}}`
	for first, code := range map[string]string{
		`{"id":1,"publish":{"channel":"plain","data":1}}`: "1008",
		`{"id":1,"hello":{"token":"bad"}}`:                "4501",
		`{"id":1,"hello":{"token":1}}`:                    "4500",
	} {
		in(t, o, func(h *house) {
			a := h.dial()
			a.say("[" + first + "," + good + "," + publish + "]")
			got := a.hear()
			for strings.HasPrefix(got, `{"id":1,"error"`) {
				got = a.hear()
			}
			if !strings.Contains(got, code) {
				t.Errorf("%s: %s, want %s", first, got, code)
			}
			if s := h.hub.Stats(); s.Published != 0 {
				t.Errorf("%s: something was published", first)
			}
		})
	}
}

// TestConnectIsTold: what Options.Connect waits for is not waited for when the client
// has gone.
func TestConnectIsTold(t *testing.T) {
	o := rooms()
	var asked, told chan bool
	o.Connect = func(ctx context.Context, _ *http.Request, _ string) (*Identity, error) {
		asked <- true
		<-ctx.Done()
		told <- true
		return nil, ctx.Err()
	}
	in(t, o, func(h *house) {
		asked, told = make(chan bool), make(chan bool)
		a := h.dial()
		a.say(`{"id":1,"hello":{}}`)
		<-asked
		a.c.Abort(nil)
		<-told
	})
}

// TestThrownOutWhileConnecting: who is thrown out while it is decided who he is does not
// get in by what was decided before.
func TestThrownOutWhileConnecting(t *testing.T) {
	o := rooms()
	var asked chan bool
	var answers chan error
	o.Connect = func(context.Context, *http.Request, string) (*Identity, error) {
		asked <- true
		return &Identity{User: "ann"}, <-answers
	}
	in(t, o, func(h *house) {
		asked, answers = make(chan bool), make(chan error)
		a := h.dial()
		a.say(`{"id":1,"hello":{}}`)
		<-asked
		if n := h.hub.Disconnect("ann", "", "out"); n != 0 {
			t.Errorf("%d were thrown out", n)
		}
		answers <- nil
		<-asked
		answers <- errors.New("not any more")
		a.want(`{"id":1,"error":{"code":"unauthorized",…}}`)
		for range maxAsked { // somebody is always thrown out
			b := h.dial()
			b.say(`{"id":1,"hello":{}}`)
			for range maxAsked {
				<-asked
				h.hub.Disconnect("bob", "", "out")
				answers <- nil
			}
			b.want(`{"id":1,"error":{"code":"unavailable",…,"retry":true}}`)
		}
	})
}

// TestReloadPresence: who came by new settings into a channel that lives by old ones
// leaves it again.
func TestReloadPresence(t *testing.T) {
	for _, before := range []bool{false, true} {
		o := func(presence bool) *Options {
			return &Options{Grace: -1, Namespaces: map[string]*Namespace{"c": {Presence: presence}}}
		}
		in(t, o(before), func(h *house) {
			a, b := caller(h.hub), caller(h.hub)
			a.subscribe(&proto.Request{ID: 1, Channel: "c"})
			if err := h.hub.Reload(o(!before)); err != nil {
				t.Fatal(err)
			}
			b.subscribe(&proto.Request{ID: 1, Channel: "c"})
			b.gone(nil, nil)
			a.gone(nil, nil)
			if list, _ := h.hub.Members(h.t.Context(), "c"); len(list) > 0 {
				t.Errorf("presence %v at first: %d are there for ever", before, len(list))
			}
		})
	}
}

// TestUnsubscribeFromNothing: no channel is not the one that somebody subscribes to.
func TestUnsubscribeFromNothing(t *testing.T) {
	o := rooms()
	o.Connect = who(nil)
	in(t, o, func(h *house) {
		a := h.hello("ann")
		if n := h.hub.Unsubscribe("", "ann", "", proto.Forbidden); n != 0 {
			t.Errorf("%d", n)
		}
		a.say(`[{"id":2,"subscribe":{"channel":"plain"}},{"id":3,"presence":{"channel":"plain"}}]`)
		a.want(`{"id":2,"subscribed":{…}}`)
		a.want(`{"id":3,"presence":{…}}`)
		synctest.Wait()
		if n := h.hub.Stats().Channels; n != 1 {
			t.Errorf("%d channels", n)
		}
	})
}

// TestChannelsInPages: all channels, in order, in pages of any size.
func TestChannelsInPages(t *testing.T) {
	h, _ := New(rooms())
	defer h.Close()
	const n = 1000
	for i := range n {
		h.hold(t.Context(), fmt.Sprintf("plain:%03d", i), h.settings().Namespaces["plain"])
	}
	for _, size := range []int{1, 7, 100, n - 1, n, n + 1} {
		after, have := "", 0
		for {
			list := h.Channels("plain:", after, size)
			for _, l := range list {
				if want := fmt.Sprintf("plain:%03d", have); l.Channel != want {
					t.Fatalf("%s, want %s", l.Channel, want)
				}
				after = l.Channel
				have++
			}
			if len(list) < size {
				break
			}
		}
		if have != n {
			t.Errorf("%d, in pages of %d", have, size)
		}
	}
	if list := h.Channels("", "", -1); len(list) != 0 {
		t.Error(list)
	}
}

// TestThrownOutForNoReason: who is thrown out goes, whatever the reason says.
func TestThrownOutForNoReason(t *testing.T) {
	o := rooms()
	o.Connect = who(nil)
	in(t, o, func(h *house) {
		for _, reason := range []string{"", "go", strings.Repeat("x", 124), "\xff"} {
			a := h.hello("ann")
			a.say(`{"id":2,"subscribe":{"channel":"plain"}}`)
			a.want(`{"id":2,…`)
			if n := h.hub.Unsubscribe("plain", "ann", "", ""); n != 1 {
				t.Errorf("%d", n)
			}
			a.want(`{"unsubscribed":{"channel":"plain","code":"forbidden"}}`)
			h.hub.Disconnect("ann", "", reason)
			if got := a.hear(); !strings.Contains(got, "4503") {
				t.Errorf("%q: %s", reason, got)
			}
		}
	})
}
