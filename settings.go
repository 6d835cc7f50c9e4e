package curlew

import (
	"math"
	"time"

	"curlew.example/curlew/internal/core"
)

// settings are Options with the defaults filled in and "none" as the largest
// value. They are shared by all connections of a Handle and never change.
type settings struct {
	maxMessage   int64
	maxFrame     int
	maxPacket    int
	maxFragments int

	messagesPerSecond, bytesPerSecond int // 0: no limit

	sendQueue int
	minSize   int
	memory    *Budget // of contexts, nil for no limit
	whenFull  Policy
	preserve  bool
	checkUTF8 bool
	goroutine bool           // of its own for each connection of Handle
	decoder   [2]core.Config // by Role, without compression

	ping, pong, inactivity, request, write, writer, close time.Duration
}

// never is the value of a timeout that is off.
const never = time.Duration(math.MaxInt64 / 4)

func newSettings(o *Options) *settings {
	if o == nil {
		o = &Options{}
	}
	s := &settings{
		maxMessage:   limit(o.MaxMessage, 1<<20, math.MaxInt64),
		maxFrame:     limit(o.MaxFrame, 128<<10, math.MaxInt),
		maxPacket:    limit(o.MaxPacket, math.MaxInt, math.MaxInt),
		maxFragments: limit(o.MaxFragments, 1024, math.MaxInt),

		messagesPerSecond: max(o.MessagesPerSecond, 0),
		bytesPerSecond:    max(o.BytesPerSecond, 0),

		sendQueue:  limit(o.SendQueue, 256<<10, math.MaxInt),
		whenFull:   o.WhenFull,
		preserve:   o.PreserveFrames,
		checkUTF8:  !o.AllowInvalidUTF8,
		goroutine:  o.GoroutinePerConn,
		ping:       limit(o.PingInterval, 25*time.Second, never),
		pong:       limit(o.PongTimeout, 10*time.Second, never),
		inactivity: limit(o.InactivityTimeout, 5*time.Minute, never),
		request:    limit(o.RequestTimeout, never, never),
		write:      limit(o.WriteTimeout, 10*time.Second, never),
		close:      limit(o.CloseTimeout, 5*time.Second, never),
	}
	s.writer = limit(o.WriterTimeout, s.write, never)
	for role := range s.decoder {
		s.decoder[role] = core.Config{
			Server:       Role(role) == Server,
			MaxMessage:   s.maxMessage,
			MaxFragments: s.maxFragments,
			CheckUTF8:    s.checkUTF8,
		}
	}
	if o.Compression != nil {
		s.minSize, s.memory = max(limit(o.Compression.MinSize, 512, 0), 0), o.Compression.Memory
	}
	return s
}

// limit is v, or zero's meaning if it is 0, or none if it is negative.
func limit[T int | int64 | time.Duration](v, zero, none T) T {
	switch {
	case v == 0:
		return zero
	case v < 0 || v > none && none > 0:
		return none
	}
	return v
}
