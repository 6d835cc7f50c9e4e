package hub

import (
	"context"
	"errors"

	"curlew.example/curlew/hub"
)

var errNoRoute = errors.New("hub: no route leads to it")

// Publish publishes JSON for the program, whatever namespaces say about who may. The
// key may be empty. Before a route leads to the hub it is an error.
func (h *Hub) Publish(ctx context.Context, channel, key string, data []byte) error {
	to := h.channels()
	if to == nil {
		return errNoRoute
	}
	_, err := to.Publish(ctx, channel, &hub.Publication{Key: key, Data: data})
	return err
}

// Subscribed reports whether anybody is subscribed to a channel here.
func (h *Hub) Subscribed(channel string) bool {
	to := h.channels()
	if to == nil {
		return false
	}
	list := to.Channels(channel, "", 1) // in the order of names: the channel itself is the first
	return len(list) > 0 && list[0].Channel == channel && list[0].Subscribers > 0
}

func (h *Hub) channels() *hub.Hub {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hub
}
