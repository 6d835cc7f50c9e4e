package deflate

// An Inflater decompresses messages. (Stub: the decoder follows.)
type Inflater struct{}

// GetInflater returns an Inflater from a pool for a window of 1<<bits bytes.
func GetInflater(bits int) *Inflater { return new(Inflater) }

// Put gives the Inflater back.
func (z *Inflater) Put() {}

// Reset starts a message.
func (z *Inflater) Reset(keepWindow bool) {}

// Inflate decompresses src into dst.
func (z *Inflater) Inflate(dst, src []byte) (nd, ns int, err error) { return 0, 0, ErrCorrupt }

// Finish ends the message.
func (z *Inflater) Finish(dst []byte) (nd int, done bool, err error) { return 0, false, ErrCorrupt }
