package wstest

import "time"

// A deadline is that of one direction of an end. link.mu guards it. Its timer
// is made once and moved from then on: setting a deadline allocates nothing.
type deadline struct {
	at     time.Time // zero: none
	timer  *time.Timer
	passed bool
}

func (d *deadline) setLocked(l *link, t time.Time) {
	d.at, d.passed = t, false
	d.stop()
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	switch {
	case wait <= 0:
		d.passed = true
	case d.timer == nil:
		d.timer = time.AfterFunc(wait, func() { d.fire(l) })
	default:
		d.timer.Reset(wait)
	}
}

// fire may be late by a deadline or two, so it looks at the one in force.
func (d *deadline) fire(l *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.at.IsZero() || d.passed {
		return
	}
	if wait := time.Until(d.at); wait > 0 {
		d.timer.Reset(wait)
		return
	}
	d.passed = true
	l.change.Broadcast()
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}
