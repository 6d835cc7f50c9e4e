package hub

import (
	"testing"
	"time"

	"curlew.example/curlew/hub/proto"
)

// TestHistoryThenSubscribe: who asks for the history of a channel, where there may be
// nothing, and then subscribes behind it misses nothing, whatever is published in
// between.
func TestHistoryThenSubscribe(t *testing.T) {
	in(t, rooms(), func(h *house) {
		for channel, publish := range map[string]bool{"room:empty": false, "room:between": true, "plain:empty": false} {
			a := caller(h.hub)
			page, err := a.history(&proto.Request{ID: 1, Channel: channel})
			if err != nil || len(page.Messages) > 0 {
				t.Fatalf("%s: %+v, %v", channel, page, err)
			}
			<-time.After(linger - time.Second)
			if publish {
				h.publish(channel, "1")
			}
			got, err := a.subscribe(&proto.Request{ID: 2, Channel: channel, Since: &page.Position})
			if err != nil || !got.Recovered {
				t.Errorf("%s: %+v, %v", channel, got, err)
			}
			a.gone(nil, nil)
		}
	})
}
