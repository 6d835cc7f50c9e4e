package deflate

import (
	"bytes"
	"testing"
)

func TestQuick(t *testing.T) {
	for _, in := range benchInputs {
		for level := 1; level <= 9; level++ {
			for bits := 8; bits <= 15; bits++ {
				d := NewDeflater(level, bits, bits%2 == 1)
				z := GetInflater(bits)
				for k := 0; k < 3; k++ {
					wire := d.Append(nil, in.plain)
					dst := make([]byte, len(in.plain)+1)
					n, _, err := z.Inflate(dst, wire)
					m, done, err2 := z.Finish(dst[n:])
					if err != nil || err2 != nil || !done || !bytes.Equal(dst[:n+m], in.plain) {
						t.Fatal(in.name, level, bits, n, m, done, err, err2)
					}
					z.Reset(bits%2 == 1)
				}
				z.Put()
				d.Release()
			}
		}
	}
}
