package core

import "curlew.example/curlew/frame"

// A Machine is a whole connection in one thread. Feed it the peer's bytes, write
// what Output returns.
type Machine struct {
	Decoder Decoder
	Encoder Encoder
	Control Control

	out []byte
}

// NewMachine returns a Machine without compression or limits on frames sent.
func NewMachine(c Config) *Machine {
	return &Machine{Decoder: NewDecoder(&c), Encoder: NewEncoder(&EncoderConfig{Server: c.Server, MaxFrame: 1 << 30}, nil)}
}

// Feed consumes all of p, in place, and calls event for each thing it meant. The
// protocol's own answers are in Output afterwards, behind what event sent.
func (m *Machine) Feed(p []byte, event func(*Event)) {
	var ev Event
	for {
		n := m.Decoder.Next(p, &ev)
		p = p[n:]
		if ev.Kind == None {
			return
		}
		m.Control.Handle(&ev)
		event(&ev)
		m.control()
	}
}

// Send sends a message, unless our Close is queued.
func (m *Machine) Send(op frame.Opcode, p []byte) {
	if !m.Control.closing.Queued {
		m.out = m.Encoder.Message(m.out, op, p, false)
	}
}

// Ping sends a ping.
func (m *Machine) Ping(n uint64) { m.Control.Ping(n); m.control() }

// Close begins the close handshake, unless it has begun.
func (m *Machine) Close(code frame.Code, reason string) {
	m.Control.Close(code, reason)
	m.control()
}

func (m *Machine) control() {
	m.out = m.Control.Append(m.out, &m.Encoder)
	if m.Control.closing.Queued && !m.Control.closing.Sent {
		m.out = m.Control.AppendClose(m.out, &m.Encoder)
	}
}

// Output returns what is to be written to the peer and forgets it. It is lent
// until the next call of any method.
func (m *Machine) Output() []byte {
	p := m.out
	m.out = m.out[:0]
	return p
}

// Done reports whether both sides have closed, or we failed the connection: our
// side of the stream is to be ended once Output is written.
func (m *Machine) Done() bool {
	c := &m.Control.closing
	return c.Sent && (c.Received || c.Failed)
}
