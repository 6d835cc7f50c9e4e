package deflate

import (
	"compress/flate"
	"sync"
)

// A Deflater compresses the messages of one connection, one after the other.
// It is for one goroutine at a time. RFC 7692, 7.2.1.
//
// While a message is open, and for good if earlier messages may be referred back
// to, it holds a compressor of about a megabyte (level 1: 1.2, others: 0.8). So
// context takeover is dear, and a pool serves the rest.
type Deflater struct {
	level   int
	context bool
	limit   int // bytes of input between two resets; 0 is no limit

	w *compressor // nil while there is no need
	n int         // bytes of input since the last reset
}

// NewDeflater returns a Deflater that costs nothing until it is used. The level
// is that of compress/flate, 1 to 9; what is less is 1, and what is more 9. The
// bits are the window's, 8 to 15; anything else is 15.
//
// With context, messages refer back to earlier ones. Below 15 bits they do not,
// context or not: compress/flate knows only the largest window, so it is made to
// start afresh after each 1<<bits bytes, which keeps every distance within the
// window but leaves nothing worth keeping from message to message.
func NewDeflater(level, bits int, context bool) *Deflater {
	d := &Deflater{level: min(max(level, 1), 9), context: context}
	if minBits <= bits && bits < maxBits {
		d.limit = 1 << bits
		d.context = false
	}
	// Starting afresh costs level 1 nothing, the others the clearing of 640 KiB:
	// with the smallest windows that would be nearly all that they do, at the
	// wish of a stranger.
	if d.limit != 0 && d.limit < 1<<12 {
		d.level = 1
	}
	return d
}

// KeptByDeflater is about how many bytes NewDeflater's Deflater with context keeps
// between messages.
func KeptByDeflater(level, bits int) int {
	switch {
	case minBits <= bits && bits < maxBits:
		return 0
	case level <= 1:
		return 1200 << 10
	}
	return 800 << 10
}

// Append compresses the whole message p and appends it to dst. The result is
// never longer than p by more than 5 bytes for each begun 65 535 of p, and one.
func (d *Deflater) Append(dst, p []byte) []byte {
	start := len(dst)
	dst = d.Finish(d.Write(dst, p))
	if len(dst)-start > storedLen(len(p)) {
		// The content is the same, so the window still is what the peer has.
		return appendStored(dst[:start], p)
	}
	return dst
}

// Write compresses p, a piece of the open message, and appends to dst what is
// ready of it, which may be nothing. It keeps neither.
func (d *Deflater) Write(dst, p []byte) []byte {
	for len(p) > 0 {
		if d.w == nil {
			d.w, d.n = getCompressor(d.level), 0
		}
		piece := p
		if d.limit != 0 {
			if d.n == d.limit {
				dst = d.Flush(dst)
				d.w.reset()
				d.n = 0
			}
			piece = p[:min(len(p), d.limit-d.n)]
			d.n += len(piece)
		}
		dst = d.w.write(dst, piece)
		p = p[len(piece):]
	}
	return dst
}

// Flush appends to dst all that was written of the open message, so that the
// peer can read it now, and an empty stored block, which is part of the message.
func (d *Deflater) Flush(dst []byte) []byte {
	if d.w == nil {
		return dst // nothing written
	}
	return d.w.flush(dst)
}

// Finish ends the message: it appends to dst what is left of it, without the
// last four bytes 00 00 FF FF, which travel with no message. An empty message is
// one byte, 00. RFC 7692, 7.2.1 and 7.2.3.6.
func (d *Deflater) Finish(dst []byte) []byte {
	if d.w == nil {
		return append(dst, 0)
	}
	dst = d.w.flush(dst)
	dst = dst[:len(dst)-len("\x00\x00\xff\xff")]
	if !d.context {
		d.Release()
	}
	return dst
}

// Release gives up what the Deflater holds, an open message included. Call it
// at the end of the connection; a second call does nothing.
func (d *Deflater) Release() {
	if d.w != nil {
		putCompressor(d.w)
		d.w = nil
	}
}

// maxStored is the most that one stored block can hold. RFC 1951, 3.2.4.
const maxStored = 65535

// storedLen is the length of a message of n bytes in stored blocks: five bytes
// each, and the first of the empty one at the end.
func storedLen(n int) int {
	return n + 5*((n+maxStored-1)/maxStored) + 1
}

func appendStored(dst, p []byte) []byte {
	for len(p) > 0 {
		n := min(len(p), maxStored)
		dst = append(dst, 0, byte(n), byte(n>>8), ^byte(n), ^byte(n>>8))
		dst = append(dst, p[:n]...)
		p = p[n:]
	}
	return append(dst, 0)
}

// A compressor is a flate.Writer whose output is appended to what it is told.
// An own one would have the same four methods.
type compressor struct {
	level int
	fw    *flate.Writer
	dst   appender
}

// compressors are empty ones, by level.
var compressors [10]sync.Pool

func getCompressor(level int) *compressor {
	compressorsOut.add(1)
	if c, ok := compressors[level].Get().(*compressor); ok {
		return c
	}
	c := &compressor{level: level}
	c.fw = newFlate(&c.dst, level)
	return c
}

// newFlate returns a writer; flate.NewWriter fails for other levels only.
func newFlate(dst *appender, level int) *flate.Writer {
	w, _ := flate.NewWriter(dst, level)
	return w
}

// putCompressor resets c now: nothing of a message is in reach of the next one,
// of another connection.
func putCompressor(c *compressor) {
	compressorsOut.add(-1)
	c.reset()
	compressors[c.level].Put(c)
}

func (c *compressor) reset() { c.fw.Reset(&c.dst) }

// write and flush cannot fail: an appender does not.
func (c *compressor) write(dst, p []byte) []byte {
	c.dst.b = dst
	c.fw.Write(p)
	return c.dst.take()
}

func (c *compressor) flush(dst []byte) []byte {
	c.dst.b = dst
	c.fw.Flush()
	return c.dst.take()
}

type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

func (a *appender) take() []byte {
	b := a.b
	a.b = nil
	return b
}
