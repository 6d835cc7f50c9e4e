package hub

import (
	"reflect"
	"testing"
	"time"

	"curlew.example/curlew/hub"
	"curlew.example/curlew/server/config"
)

// TestOptions: what the site says is what the hub does, and by default what it does by
// itself.
func TestOptions(t *testing.T) {
	for text, want := range map[string]hub.Options{
		`{ hub: { namespaces: { room: {} } }, routes: [{ handler: 'hub' }] }`: {
			Namespaces:  map[string]*hub.Namespace{"room": {Publish: hub.Subscribers, Subscribe: hub.Anyone}},
			MaxChannels: 128, MaxName: 255, MaxData: 64 << 10, MaxHistory: 1000, Grace: 5 * time.Second,
		},
		`{ routes: [{ handler: 'hub' }] }`: {
			Namespaces:  map[string]*hub.Namespace{},
			MaxChannels: 128, MaxName: 255, MaxData: 64 << 10, MaxHistory: 1000, Grace: 5 * time.Second,
		},
		`{ hub: {
			namespaces: {
				room: { history: { size: 7, age: '10 min' }, presence: true, joinLeave: true, publish: 'users', subscribe: 'nobody', whenSlow: 'dropOldest' },
				open: { history: { size: 1 }, publish: 'anyone', subscribe: 'users', whenSlow: 'conflate' },
				shut: { publish: 'nobody' },
			},
			limits: { channels: 2, nameBytes: 20, messageBytes: '1 KB', publishesPerSecond: 5, history: 50 },
			grace: '1 min',
		}, routes: [{ handler: 'hub' }] }`: {
			Namespaces: map[string]*hub.Namespace{
				"room": {History: hub.History{Size: 7, Age: 10 * time.Minute}, Presence: true, JoinLeave: true, Publish: hub.Users, Subscribe: hub.Nobody, WhenSlow: hub.DropOldest},
				"open": {History: hub.History{Size: 1}, Publish: hub.Anyone, Subscribe: hub.Users, WhenSlow: hub.Conflate},
				"shut": {Publish: hub.Nobody, Subscribe: hub.Anyone},
			},
			MaxChannels: 2, MaxName: 20, MaxData: 1 << 10, MaxHistory: 50, PublishRate: 5, Grace: time.Minute,
		},
	} {
		s, err := config.Parse("site.json5", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		set, err := new(Hub).settingsOf(s.Routes[0].Hub)
		if err != nil {
			t.Fatal(err)
		}
		got := set.options
		if got.Connect == nil || got.ErrorLog == nil || got.Subscribe != nil || got.Publish != nil {
			t.Errorf("%s: %+v", text, got)
		}
		got.Connect, got.ErrorLog = nil, nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", text, got, want)
		}
	}
}
