package curlew

import "context"

// Pause has Serve and Handle call neither Message nor Part, until Resume: for a
// handler that can take no more for now, while its callbacks return. The message at
// hand is finished. What the peer sends meanwhile is read ahead as while a callback
// takes long: pings are answered, then its sending stops. Writable is still called,
// and when the connection ends, what was read ahead is handed over and Close is
// called. Read and Reader are not concerned. Any goroutine may call it, also twice.
func (c *Conn) Pause() {
	if c.in.paused.Load() == nil {
		c.in.paused.CompareAndSwap(nil, &pause{make(chan struct{}, 1)})
	}
}

// Resume ends a Pause. Any goroutine may call it.
func (c *Conn) Resume() {
	if p := c.in.paused.Swap(nil); p != nil {
		p.look()
		c.wake()
	}
}

// A pause is where a driver waits that has a goroutine.
type pause struct{ signal chan struct{} }

// look has the driver look around.
func (p *pause) look() {
	select {
	case p.signal <- struct{}{}:
	default:
	}
}

// rest waits while Pause is in force.
func (d *driver) rest(ctx context.Context) error {
	c := d.c
	for p := c.in.paused.Load(); p != nil && !c.ended(); p = c.in.paused.Load() {
		if err := d.settle(); err != nil {
			return err
		}
		held := d.lend()
		if c.parked != nil {
			c.parked.waits, c.parked.held = errPaused, held
			return errPaused
		}
		select {
		case <-p.signal:
		case <-c.Done():
		case <-ctx.Done():
		}
		d.regain(held)
		if ctx.Err() != nil && !c.ended() {
			return ctx.Err()
		}
	}
	return nil
}
