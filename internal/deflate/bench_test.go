package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// jsonText is like what applications send: n bytes of small objects.
func jsonText(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"alice", "bob", "carol", "dave", "eve", "mallory"}
	var b bytes.Buffer
	b.WriteByte('[')
	for b.Len() < n {
		fmt.Fprintf(&b, `{"id":%d,"user":"%s","price":%.2f,"active":%v,"tags":["%x","%s"]},`,
			r.IntN(100000), names[r.IntN(len(names))], r.Float64()*1000, r.IntN(2) == 0, r.Uint32(), names[r.IntN(len(names))])
	}
	return b.Bytes()[:n]
}

// prose is n bytes of something like a text.
func prose(n int) []byte {
	r := rand.New(rand.NewPCG(3, 4))
	words := make([]string, 2000)
	for i := range words {
		w := make([]byte, 2+r.IntN(9))
		for j := range w {
			w[j] = "etaoinshrdlucmfwypvbgkqjxz"[int(r.ExpFloat64()*4)%26]
		}
		words[i] = string(w)
	}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[min(int(r.ExpFloat64()*200), len(words)-1)])
		b.WriteByte(" .,\n"[min(int(r.ExpFloat64()/2), 3)])
	}
	return []byte(b.String()[:n])
}

var benchInputs = []struct {
	name  string
	plain []byte
}{
	{"json-1KiB", jsonText(1 << 10)},
	{"text-64KiB", prose(64 << 10)},
	{"random-64KiB", random(64 << 10)},
}

func random(n int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func BenchmarkInflate(b *testing.B) {
	for _, in := range benchInputs {
		for _, level := range []int{1, 6} {
			d := NewDeflater(level, 15, false)
			wire := d.Append(nil, in.plain)
			name := fmt.Sprintf("%s/level=%d", in.name, level)
			b.Run(name+"/own", func(b *testing.B) {
				b.SetBytes(int64(len(in.plain)))
				b.ReportAllocs()
				dst := make([]byte, len(in.plain)+512)
				for b.Loop() {
					z := GetInflater(15)
					n, _, err := z.Inflate(dst, wire)
					m, done, err2 := z.Finish(dst[n:])
					if err != nil || err2 != nil || !done || n+m != len(in.plain) {
						b.Fatal(n, m, done, err, err2)
					}
					z.Put()
				}
			})
			b.Run(name+"/flate", func(b *testing.B) {
				b.SetBytes(int64(len(in.plain)))
				b.ReportAllocs()
				dst := make([]byte, len(in.plain)+512)
				whole := append(bytes.Clone(wire), 0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff)
				src := bytes.NewReader(whole)
				fr := flate.NewReader(src)
				for b.Loop() {
					src.Reset(whole)
					fr.(flate.Resetter).Reset(src, nil)
					n, err := io.ReadFull(fr, dst)
					if err != io.ErrUnexpectedEOF || n != len(in.plain) {
						b.Fatal(n, err)
					}
				}
			})
		}
	}
}

func BenchmarkDeflate(b *testing.B) {
	for _, in := range benchInputs {
		for _, level := range []int{1, 6} {
			for _, context := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/level=%d/context=%v", in.name, level, context), func(b *testing.B) {
					b.SetBytes(int64(len(in.plain)))
					b.ReportAllocs()
					d := NewDeflater(level, 15, context)
					defer d.Release()
					var dst []byte
					for b.Loop() {
						dst = d.Append(dst[:0], in.plain)
					}
					b.ReportMetric(float64(len(dst)), "wire-B/op")
				})
			}
		}
	}
}
