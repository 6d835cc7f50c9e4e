package deflate

import "sync/atomic"

// A ledger counts what is out of a pool, under -tags invariants only: one
// counter for all cores would cost more than what it counts.
type ledger struct{ n atomic.Int64 }

var inflatersOut, compressorsOut ledger

func (l *ledger) add(n int64) {
	if invariants {
		l.n.Add(n)
	}
}

// Outstanding returns how many Inflaters were got and not put, and how many
// compressors Deflaters hold. Without -tags invariants it returns zeros.
func Outstanding() (inflaters, compressors int) {
	return int(inflatersOut.n.Load()), int(compressorsOut.n.Load())
}
