package hub

import (
	"crypto/sha256"
	"crypto/subtle"
	"log"
	"strings"
	"time"

	"curlew.example/curlew/hub"
	"curlew.example/curlew/server/auth"
	"curlew.example/curlew/server/internal/logs"
	"curlew.example/curlew/server/site"
)

// settings are what one site says of the hub.
type settings struct {
	of      *site.Hub
	options hub.Options
	tokens  *auth.Tokens // nil: none are known
	hook    *webhook     // nil: nobody is asked

	keys     [][sha256.Size]byte // of the API
	keysFile *auth.Lines         // nil: keys are fixed
}

func (h *Hub) newSettings(s *site.Hub) (*settings, error) {
	set := &settings{of: s}
	if j := &s.Auth.JWT; j.Keys.Set() {
		var err error
		set.tokens, err = auth.NewTokens(&auth.JWT{
			File: j.Keys.Value.File, Keys: j.Keys.Value.Text,
			Algorithms: j.Algorithms.Value, Issuer: j.Issuer.Value, Audience: j.Audience.Value,
			Leeway: j.Leeway.Value, From: j.Sources.Value,
		}, h.reread)
		if err != nil {
			return nil, j.Keys.From.Errorf("%v", err)
		}
	}
	if file := s.APIKeys.Value.File; file != "" {
		var err error
		if set.keysFile, err = auth.NewLines(file, site.CheckAPIKey, h.reread); err != nil {
			return nil, s.APIKeys.From.Errorf("%v", err)
		}
	}
	for _, key := range s.APIKeys.Value.List {
		set.keys = append(set.keys, sha256.Sum256([]byte(key)))
	}
	if s.Auth.Webhook.Set() {
		set.hook = newWebhook(&s.Auth, h.dial, h.failed)
	}
	set.options = h.options(s, set)
	return set, nil
}

// options are the settings of the hub itself.
func (h *Hub) options(s *site.Hub, set *settings) hub.Options {
	l := &s.Limits
	o := hub.Options{
		Namespaces:  make(map[string]*hub.Namespace),
		MaxChannels: l.Channels.Value, MaxName: l.NameBytes.Value, MaxData: int(l.MessageBytes.Value),
		PublishRate: max(l.PublishesPerSecond.Value, 0), MaxHistory: l.History.Value,
		Grace: s.Grace.Value, Server: h.Version, ErrorLog: log.New(hubErrors{h}, "", 0),
		Connect: set.connect,
	}
	for name, ns := range s.Namespaces {
		o.Namespaces[name] = &hub.Namespace{
			History:  hub.History{Size: ns.History.Size.Value, Age: max(ns.History.Age.Value, 0)},
			Presence: ns.Presence.Value, JoinLeave: ns.JoinLeave.Value,
			Publish: who[ns.Publish.Value], Subscribe: who[ns.Subscribe.Value], WhenSlow: whenSlow[ns.WhenSlow.Value],
		}
	}
	if set.hook.asks("subscribe") {
		o.Subscribe = set.hook.subscribe
	}
	if set.hook.asks("publish") {
		o.Publish = set.hook.publish
	}
	return o
}

var (
	who = map[string]hub.Who{
		"nobody": hub.Nobody, "subscribers": hub.Subscribers, "users": hub.Users, "anyone": hub.Anyone,
	}
	whenSlow = map[string]hub.WhenSlow{
		"disconnect": hub.Disconnect, "dropOldest": hub.DropOldest, "conflate": hub.Conflate,
	}
)

// isKey reports whether somebody has a key of the API.
func (s *settings) isKey(key string) bool {
	sum, found := sha256.Sum256([]byte(key)), 0
	for i := range s.keys {
		found |= subtle.ConstantTimeCompare(s.keys[i][:], sum[:])
	}
	if s.keysFile != nil {
		for _, line := range s.keysFile.Get() {
			other := sha256.Sum256([]byte(line))
			found |= subtle.ConstantTimeCompare(other[:], sum[:])
		}
	}
	return found == 1
}

// reread writes that a file of keys was read again.
func (h *Hub) reread(file string, err error) {
	if err != nil {
		h.Log.Error("not read again; what it said before stays in force", "file", file, "error", err)
		return
	}
	h.Log.Info("read again, as it has changed", "file", file)
}

// failed writes that the webhook has not answered as it should.
func (h *Hub) failed(event string, err error) {
	if h.lines.Allow(time.Now()) {
		h.Log.Error("the webhook did not answer: refused", "event", event, "error", err, "notLogged", h.lines.Missed())
	}
}

// hubErrors passes what fails in the hub to the log.
type hubErrors struct{ h *Hub }

func (e hubErrors) Write(p []byte) (int, error) {
	if e.h.lines.Allow(time.Now()) {
		e.h.Log.Error("hub", "error", logs.Escape(strings.TrimSpace(string(p)), 256), "notLogged", e.h.lines.Missed())
	}
	return len(p), nil
}
