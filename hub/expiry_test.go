package hub

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestExpiry: a token is over: closed with 4401; refreshed in time: not; one that was
// over at once is refused with the code for that.
func TestExpiry(t *testing.T) {
	o := rooms()
	o.Connect = func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
		d, err := time.ParseDuration(token)
		if err != nil {
			return nil, errors.New("no")
		}
		return &Identity{User: "ann", Expires: time.Now().Add(d)}, nil
	}
	in(t, o, func(h *house) {
		a, b := h.dial(), h.dial()
		began := time.Now()
		a.say(`{"id":1,"hello":{"token":"1m"}}`)
		a.want(`{"id":1,"hello":{…"user":"ann","expires":946684860000}}`)
		b.say(`{"id":1,"hello":{"token":"1m"}}`)
		b.want(`{"id":1,…`)
		<-time.After(time.Minute - time.Second)
		b.say(`{"id":2,"refresh":{"token":"bad"}}`)
		b.want(`{"id":2,"error":{"code":"unauthorized",…}}`)
		b.say(`{"id":2,"refresh":{"token":"1m"}}`)
		b.want(`{"id":2,"refreshed":{"expires":946684919000}}`)
		if got := a.hear(); !strings.Contains(got, "4401") || time.Since(began) != time.Minute {
			t.Errorf("%s after %v", got, time.Since(began))
		}
		if got := b.hear(); !strings.Contains(got, "4401") || time.Since(began) != 2*time.Minute-time.Second {
			t.Errorf("%s after %v", got, time.Since(began))
		}
		for token, code := range map[string]string{"0s": "4401", "x": "4501"} {
			c := h.dial()
			c.say(`{"id":1,"hello":{"token":"` + token + `"}}`)
			c.want(`{"id":1,"error":…`)
			if got := c.hear(); !strings.Contains(got, code) {
				t.Errorf("%s: %s", token, got)
			}
		}
	})
}

// TestExpiryClock: a clock that is put forward, or a machine that has slept, ends tokens
// within a second; one that is put back lets them live.
func TestExpiryClock(t *testing.T) {
	o := rooms()
	o.Connect = func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
		at, err := time.Parse(time.RFC3339, token)
		return &Identity{Expires: at}, err
	}
	in(t, o, func(h *house) {
		var ahead atomic.Int64
		h.hub.expiries.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())).Round(0) }
		began := time.Now()
		at := func(d time.Duration) *mouth {
			m := h.dial()
			m.say(`{"id":1,"hello":{"token":"` + began.Add(d).Format(time.RFC3339) + `"}}`)
			m.want(`{"id":1,"hello":…`)
			return m
		}
		a, b, c := at(time.Hour), at(3*time.Hour), at(time.Minute)
		ahead.Store(int64(-time.Minute))
		if got := c.hear(); !strings.Contains(got, "4401") || time.Since(began) != 2*time.Minute {
			t.Errorf("%s after %v", got, time.Since(began))
		}
		ahead.Store(int64(2 * time.Hour))
		put := time.Now()
		if got := a.hear(); !strings.Contains(got, "4401") || time.Since(put) > clockLooks {
			t.Errorf("%s after %v", got, time.Since(put))
		}
		b.say(`{"id":2,"refresh":{"token":"` + began.Add(9*time.Hour).Format(time.RFC3339) + `"}}`)
		b.want(`{"id":2,"refreshed":…`)
		ahead.Store(int64(8 * time.Hour))
		<-time.After(time.Minute)
		b.say(`{"id":3,"presence":{"channel":"room"}}`)
		b.want(`{"id":3,…`)
		b.c.Close(1000, "")
		synctest.Wait()
		if n := len(h.hub.expiries.list); n != 0 {
			t.Errorf("%d are waited for", n)
		}
	})
}

// TestRX18_Tokens: tokens are not tried without end over one connection, nor very long ones.
func TestRX18_Tokens(t *testing.T) {
	o := rooms()
	o.Connect = func(_ context.Context, _ *http.Request, token string) (*Identity, error) {
		if strings.Trim(token, " ") != "" {
			return nil, errors.New("no")
		}
		return &Identity{}, nil
	}
	in(t, o, func(h *house) {
		a := h.hello("")
		for i := range maxRefused {
			if i == maxRefused-1 { // not in a row
				a.say(`{"id":2,"refresh":{"token":""}}`)
				a.want(`{"id":2,"refreshed":{}}`)
			}
			a.say(`{"id":2,"refresh":{"token":"x"}}`)
			a.want(`{"id":2,"error":{"code":"unauthorized",…}}`)
		}
		refresh := `{"id":2,"refresh":{"token":"x"}},`
		a.say(`[` + strings.TrimSuffix(strings.Repeat(refresh, 100), ",") + `]`)
		for range maxRefused - 1 {
			a.want(`{"id":2,"error":{"code":"unauthorized",…}}`)
		}
		if got := a.hear(); !strings.Contains(got, "4501") {
			t.Error(got)
		}
		b := h.dial()
		b.say(`{"id":1,"hello":{"token":"` + strings.Repeat(" ", maxToken+1) + `"}}`)
		b.want(`{"id":1,"error":{"code":"unauthorized",…}}`)
	})
}
