package hub

import (
	"context"
	"errors"
	"io"
	"log"
	"strings"
	"testing"

	"curlew.example/curlew/hub/proto"
)

// wantCode checks the code of an error.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *proto.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

// TestPublishNoJSON: what is no JSON would end the connections of all who get it:
// it is refused, whoever publishes it.
func TestPublishNoJSON(t *testing.T) {
	o := rooms()
	other := &Publication{}
	o.Publish = func(context.Context, *Client, string, *Publication) (*Publication, error) { return other, nil }
	o.ErrorLog = log.New(io.Discard, "", 0)
	in(t, o, func(h *house) {
		a := h.hello("")
		a.say(`{"id":2,"subscribe":{"channel":"plain"}}`)
		a.want(`{"id":2,"subscribed":{…}}`)
		for _, data := range []string{"", "{", "\"\xff\"", "1 2", "\"\n\""} {
			p := &Publication{Data: []byte(data)}
			_, err := h.hub.Publish(h.t.Context(), "plain", p)
			wantCode(t, err, proto.BadRequest)
			other = p
			a.say(`{"id":3,"publish":{"channel":"plain","data":1}}`)
			a.want(`{"id":3,"error":{"code":"internal",…}}`)
		}
		other = nil // what was given
		a.say(`{"id":4,"publish":{"channel":"plain","data":1}}`)
		a.want(`{"message":{…"offset":1,…"data":1,…}}`)
		a.want(`{"id":4,"published":{…}}`)
		other = &Publication{Data: []byte("\xff"), Binary: true}
		a.say(`{"id":5,"publish":{"channel":"plain","data":1}}`)
		a.want(`{"message":{…"offset":2,…"data64":"/w==",…}}`)
		a.want(`{"id":5,"published":{…}}`)
	})
}

// TestPublishLimits: exactly at the limits, and one beyond.
func TestPublishLimits(t *testing.T) {
	o := rooms()
	o.MaxData, o.MaxName, o.MaxChannels = 10, 8, 2
	o.Namespaces["plain"].Publish = Anyone
	in(t, o, func(h *house) {
		a := h.dial()
		a.say(`{"id":1,"hello":{}}`)
		a.want(`{"id":1,"hello":{…"limits":{"channels":2,"nameBytes":8,"messageBytes":10}}}`)
		for _, row := range []struct{ ask, want string }{
			{`"publish":{"channel":"plain","data":"12345678"}`, `"published"`},
			{`"publish":{"channel":"plain","data":"123456789"}`, `"code":"too_big"`},
			{`"publish":{"channel":"plain","data64":"AAAAAAAAAAAAAA=="}`, `"published"`},
			{`"publish":{"channel":"plain","data64":"AAAAAAAAAAAAAAA="}`, `"code":"too_big"`},
			{`"publish":{"channel":"plain","data":1,"key":"` + strings.Repeat("k", proto.MaxKey) + `"}`, `"published"`},
			{`"publish":{"channel":"plain","data":1,"key":"` + strings.Repeat("k", proto.MaxKey+1) + `"}`, `"code":"bad_request"`},
			{`"publish":{"channel":"plain","data":1,"dedupe":"` + strings.Repeat("k", proto.MaxDedupe) + `"}`, `"published"`},
			{`"publish":{"channel":"plain","data":1,"dedupe":"` + strings.Repeat("k", proto.MaxDedupe+1) + `"}`, `"code":"bad_request"`},
			{`"publish":{"channel":"plain:12","data":1}`, `"published"`},
			{`"publish":{"channel":"plain:123","data":1}`, `"code":"bad_request"`},
			{`"publish":{"channel":"other","data":1}`, `"code":"unknown_channel"`},
			{`"subscribe":{"channel":"room:1"}`, `"subscribed"`},
			{`"subscribe":{"channel":"room:1"}`, `"code":"bad_request"`},
			{`"subscribe":{"channel":"room:2"}`, `"subscribed"`},
			{`"subscribe":{"channel":"room:3"}`, `"code":"limit"`},
			{`"unsubscribe":{"channel":"room:3"}`, `"code":"bad_request"`},
			{`"unsubscribe":{"channel":"room:1"}`, `"unsubscribed"`},
			{`"subscribe":{"channel":"room:3"}`, `"subscribed"`},
		} {
			a.say(`{"id":7,` + row.ask + `}`)
			a.want(`{"id":7,…` + row.want + `…`)
		}
	})
}

// TestOptions: settings that make no sense are refused, at first and by a reload.
func TestOptions(t *testing.T) {
	h, _ := New(rooms())
	defer h.Close()
	for i, o := range []*Options{
		{MaxChannels: -1}, {MaxName: -1}, {MaxData: -1}, {PublishRate: -1}, {MaxHistory: -1}, {HelloTimeout: -1}, {Ping: -1},
		{Namespaces: map[string]*Namespace{"a": nil}}, {Namespaces: map[string]*Namespace{"a:b": {}}}, {Namespaces: map[string]*Namespace{"": {}}},
		{Namespaces: map[string]*Namespace{"a": {History: History{Size: -1}}}}, {Namespaces: map[string]*Namespace{"a": {History: History{Age: -1}}}},
		{Namespaces: map[string]*Namespace{"a": {Publish: Anyone + 1}}}, {Namespaces: map[string]*Namespace{"a": {Subscribe: -1}}},
		{Namespaces: map[string]*Namespace{"a": {WhenSlow: Conflate + 1}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%d: no error", i)
		}
		if h.Reload(o) == nil || h.settings().Namespaces["room"] == nil {
			t.Errorf("%d: in force", i)
		}
	}
}
