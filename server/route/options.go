package route

import (
	"slices"

	"curlew.example/curlew"
	"curlew.example/curlew/server/site"
)

// Options returns the settings of a route's WebSockets. Site and library agree
// on a negative number for what is off.
func Options(r *site.Route) *curlew.Options {
	w, l, t := &r.WebSockets, &r.Limits, &r.Timeouts
	anyOrigin := func(s string) bool { return s == "*" }
	o := &curlew.Options{
		Subprotocols:       slices.Clone(w.Protocol.Value),
		RequireSubprotocol: w.RequireProtocol.Value,
		Origins:            slices.DeleteFunc(slices.Clone(r.Origins.Value), anyOrigin),
		InsecureAnyOrigin:  slices.ContainsFunc(r.Origins.Value, anyOrigin),
		Header:             r.Headers.Header(),

		MaxMessage:        l.MaxMessage.Value,
		MaxFrame:          int(l.MaxFrame.Value),
		MaxPacket:         int(l.MaxPacket.Value),
		MaxFragments:      l.MaxFragments.Value,
		MessagesPerSecond: l.MessagesPerSecond.Value,
		BytesPerSecond:    int(l.BytesPerSecond.Value),
		PreserveFrames:    w.PreserveFrames.Value,
		AllowInvalidUTF8:  !w.ValidateUTF.Value,
		SendQueue:         int(l.SendQueue.Value),
		WhenFull:          policy(w.WhenFull.Value),
		Compression:       compression(&w.Compression),

		PingInterval:      w.Ping.Value,
		PongTimeout:       t.Pong.Value,
		InactivityTimeout: t.Inactivity.Value,
		RequestTimeout:    t.Request.Value,
		WriteTimeout:      t.Write.Value,
		CloseTimeout:      t.Close.Value,
	}
	if r.Hub != nil {
		ofHub(o)
	}
	if r.Handler.Value == "proxy" {
		// It passes pieces on, and does not know when the next one comes.
		if o.MaxPacket <= 0 || o.MaxPacket > proxyPiece {
			o.MaxPacket = proxyPiece
		}
		o.WriterTimeout = -1
	}
	return o
}

// ofHub sets what the hub depends on: curlew.v1 is text, message by message, which
// others are given as it came; none is dropped unseen, and a full queue is how it
// finds out who is slow.
func ofHub(o *curlew.Options) {
	o.Subprotocols, o.RequireSubprotocol = []string{"curlew.v1"}, true
	o.MaxPacket, o.PreserveFrames, o.AllowInvalidUTF8 = -1, false, false
	o.WhenFull, o.SendQueue = curlew.WhenFullDropNewest, max(o.SendQueue, 0)
}

// proxyPiece is what the handler proxy holds of a message, each way.
const proxyPiece = 32 << 10

func policy(word string) curlew.Policy {
	switch word {
	case "dropOldest":
		return curlew.WhenFullDropOldest
	case "dropNewest":
		return curlew.WhenFullDropNewest
	}
	return curlew.WhenFullClose
}

// compression returns nil if it is off.
func compression(c *site.Compression) *curlew.Compression {
	if !c.Enabled.Value {
		return nil
	}
	minSize := int(c.MinSize.Value)
	if minSize == 0 {
		minSize = -1 // the library's 0 is the default
	}
	z := &curlew.Compression{
		Level:         c.Level.Value,
		MinSize:       minSize,
		ServerContext: c.ServerContext.Value,
		ClientContext: c.ClientContext.Value,
		WindowBits:    c.WindowBits.Value,
	}
	if c.Memory.Value > 0 {
		z.Memory = curlew.NewBudget(c.Memory.Value)
	}
	return z
}
