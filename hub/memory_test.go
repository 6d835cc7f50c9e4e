//go:build !race

package hub

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

// A sinkhole is a carrier that takes everything.
type sinkhole struct{ delivered int }

func (s *sinkhole) deliver(*delivery) error                { s.delivered++; return nil }
func (s *sinkhole) write(context.Context, *delivery) error { s.delivered++; return nil }
func (s *sinkhole) answer(context.Context, *proto.Answer)  {}
func (s *sinkhole) close(curlew.Code, string)              {}
func (s *sinkhole) ended() bool                            { return false }

// silent returns a client of the hub that has said hello.
func silent(h *Hub, name string) *Client {
	c := &Client{hub: h, id: name, to: new(sinkhole), timer: time.NewTimer(time.Hour)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.hello("")
	return c
}

func used() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestChannelMemory: 100,000 channels without history, with a subscriber each, cost
// at most 700 bytes each.
func TestChannelMemory(t *testing.T) {
	const clients, each = 1000, 100
	h, err := New(&Options{Namespaces: map[string]*Namespace{"user": {}}})
	if err != nil {
		t.Fatal(err)
	}
	var list []*Client
	for i := range clients {
		list = append(list, silent(h, fmt.Sprint(i)))
	}
	before := used()
	for i, c := range list {
		for j := range each {
			if _, err := c.subscribe(&proto.Request{ID: 1, Channel: fmt.Sprintf("user:%d-%d", i, j)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	cost := (used() - before) / (clients * each)
	t.Logf("%d bytes a channel", cost)
	if cost > 700 {
		t.Errorf("%d bytes a channel", cost)
	}
	for _, c := range list {
		c.gone(nil, nil)
	}
	if n := h.Stats().Channels; n != 0 {
		t.Errorf("%d channels are left", n)
	}
	if left := int64(used()) - int64(before); left > 64*maxIdle*500 { // positions linger
		t.Errorf("%d bytes are left", left)
	}
}

// TestHistoryMemory: a stored message costs what Memory says: about 160 bytes and its
// data, and a channel's list. For 10,000 channels of 1,000 messages:
//
//	CURLEW_CHANNELS=10000 go test -run TestHistoryMemory -v ./hub
func TestHistoryMemory(t *testing.T) {
	channels, err := strconv.Atoi(os.Getenv("CURLEW_CHANNELS"))
	if err != nil {
		channels = 50
	}
	const messages, size = 1000, 128
	b := NewMemory()
	defer b.Close()
	before := used()
	for i := range channels {
		name := fmt.Sprint("room:", i)
		for j := range messages + messages/2 { // of which the oldest go
			b.Publish(context.Background(), name, &Publication{Data: fmt.Appendf(make([]byte, 0, size), "%0*d", size, j)}, Keep{Size: messages, Age: time.Hour})
		}
	}
	cost := float64(used()-before) / float64(channels*messages)
	t.Logf("%d channels of %d messages: %.0f bytes a message, %d of them data", channels, messages, cost, size)
	if cost > 200+size {
		t.Errorf("%.0f bytes a message", cost)
	}
	runtime.KeepAlive(b)
}

// BenchmarkPublish: one message to 1000 subscribers.
func BenchmarkPublish(b *testing.B) {
	h, err := New(&Options{Namespaces: map[string]*Namespace{"room": {}}})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if _, err := silent(h, fmt.Sprint(i)).subscribe(&proto.Request{ID: 1, Channel: "room"}); err != nil {
			b.Fatal(err)
		}
	}
	data := []byte(`"hello"`)
	b.ReportAllocs()
	for b.Loop() {
		h.Publish(context.Background(), "room", &Publication{Data: data})
	}
}
