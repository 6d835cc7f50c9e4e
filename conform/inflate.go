package conform

import (
	"fmt"

	"curlew.example/curlew/internal/deflate"
)

// ours and theirs are the window and whether it is kept from message to message.
// We keep also what was only a promise.
func (s *session) ours() (bits int, context bool) {
	a := s.agreed
	if s.client {
		return a.hintBits, !a.hintNoContext
	}
	return a.serverBits, !a.serverNoContext
}

func (s *session) theirs() (bits int, context bool) {
	a := s.agreed
	if s.client {
		return a.serverBits, !a.serverNoContext
	}
	return a.clientBits, !a.clientNoContext
}

// deflate compresses a message, as well as can be or, in a smaller window, with
// all of it.
func (s *session) deflate(p []byte) []byte {
	switch bits, context := s.ours(); {
	case s.deflater == nil && s.packer == nil && bits == 15:
		s.deflater = deflate.NewDeflater(6, bits, context)
	case s.deflater == nil && s.packer == nil:
		s.packer = &packer{window: 1 << bits, context: context}
	}
	if s.packer != nil {
		return s.packer.pack(p)
	}
	return s.deflater.Append(nil, p)
}

// packs compresses the messages that are to be.
func (s *session) packs(frames []frame) ([]frame, error) {
	var out []frame
	for i := 0; i < len(frames); i++ {
		f := frames[i]
		if !f.deflate {
			out = append(out, f)
			continue
		}
		if s.agreed == nil {
			return nil, &finding{verdict: Unimplemented, note: "compression was not agreed"}
		}
		// All fragments of the message, compressed as one and cut where they were.
		var whole []byte
		var cuts []int
		last := i
		for j := i; j < len(frames); j++ {
			if frames[j].op >= opClose {
				continue
			}
			whole = append(whole, frames[j].payload...)
			cuts = append(cuts, len(frames[j].payload))
			last = j
			if !frames[j].open {
				break
			}
		}
		s.largest = max(s.largest, uint64(len(whole)))
		packed := s.deflate(whole)
		k := 0
		for j := i; j <= last; j++ {
			g := frames[j]
			if g.op < opClose {
				n := len(packed)
				if k < len(cuts)-1 {
					n = min(len(packed), (len(packed)+len(cuts)-1)/len(cuts))
				}
				g.payload, packed = packed[:n], packed[n:]
				if k == 0 {
					g.rsv |= rsv1
				}
				k++
			}
			g.deflate = false
			out = append(out, g)
		}
		i = last
	}
	return out, nil
}

// inflate decompresses a message of the peer's. A distance beyond the window
// that was agreed is an error. One beyond what a client only promised is not
// strict.
func (s *session) inflate(p []byte) ([]byte, error) {
	bits, context := s.theirs()
	if s.inflater == nil {
		s.inflater = deflate.GetInflater(bits)
	}
	out, err := s.inflateWith(s.inflater, context, p)
	if err != nil || s.client {
		return out, err
	}
	if a := s.agreed; a.hintNoContext && context || a.hintBits < bits {
		if s.promised == nil {
			s.promised = deflate.GetInflater(a.hintBits)
		}
		if _, err := s.inflateWith(s.promised, !a.hintNoContext, p); err != nil {
			s.mark(NonStrict, "it refers back to more than it promised in its offer (RFC 7692, 7.1.1.2 and 7.1.2.2): "+err.Error())
		}
	}
	return out, nil
}

func (s *session) inflateWith(inflater *deflate.Inflater, context bool, p []byte) ([]byte, error) {
	inflater.Reset(context)
	var out []byte
	most := s.o.most(s.c)
	buf := make([]byte, 32<<10)
	for {
		nd, ns, err := inflater.Inflate(buf, p)
		out, p = append(out, buf[:nd]...), p[ns:]
		if err != nil {
			return nil, err
		}
		if len(out) > most {
			return nil, fmt.Errorf("it inflates to more than %d bytes", most)
		}
		if len(p) == 0 && nd < len(buf) {
			break
		}
	}
	for {
		nd, done, err := inflater.Finish(buf)
		out = append(out, buf[:nd]...)
		if err != nil {
			return nil, err
		}
		if len(out) > most {
			return nil, fmt.Errorf("it inflates to more than %d bytes", most)
		}
		if done {
			return out, nil
		}
	}
}
