package deflate

import "testing"

// TestTableSize: no code can need more entries than a table has; else building
// it would panic. Below the root a second table of 1<<w entries is filled by at
// least w+1 codes, which in canonical order come by length. The largest sum over
// all complete codes is found by trying every number of codes of every length.
func TestTableSize(t *testing.T) {
	for _, c := range []struct {
		name                      string
		symbols, root, size, want int
	}{
		{"literals and lengths", 288, litRoot, litSize, 1334},
		{"distances", 32, distRoot, distSize, 402},
		{"code lengths", maxCodes, codeRoot, distSize, 128},
	} {
		longest := maxCode
		if c.name == "code lengths" {
			longest = 7
		}
		s := sizes{root: c.root, longest: longest, memo: map[[4]int]int{}}
		most := 1 << c.root
		for open := 1; open <= min(c.symbols/2, 1<<c.root); open++ { // indices of the root that need a second table
			used := 0 // codes of up to root bits: at least one for each 1 in the number of the others
			for rest := 1<<c.root - open; rest > 0; rest &= rest - 1 {
				used++
			}
			most = max(most, 1<<c.root+s.most(c.root+1, 2*open, c.symbols-used, 0))
		}
		if most > c.size {
			t.Errorf("%s: %d entries are needed, there are %d", c.name, most, c.size)
		}
		if most != c.want {
			t.Errorf("%s: %d entries are needed, it used to be %d", c.name, most, c.want)
		}
	}
}

type sizes struct {
	root, longest int
	memo          map[[4]int]int
}

// most returns how many entries at most the second tables that end at length l
// or later have: left codes of length l are not assigned, some of them in a table
// that is begun, and there are at most this many symbols.
func (s *sizes) most(l, left, symbols, begun int) (most int) {
	if left == 0 {
		return 0
	}
	if left > symbols || l > s.longest {
		return -1 << 20 // cannot be completed
	}
	key := [4]int{l, left, symbols, begun}
	if m, ok := s.memo[key]; ok {
		return m
	}
	size := 1 << (l - s.root)
	most = -1 << 20
	for n := 0; n <= left; n++ { // codes of length l
		sum, rest := 0, begun-n
		if n > 0 && n >= begun {
			if begun > 0 {
				sum = size
			}
			sum += (n - begun) / size * size
			if rest = (n - begun) % size; rest > 0 {
				rest = size - rest
			}
		}
		if n < left && 2*(left-n) > symbols-n {
			continue
		}
		most = max(most, sum+s.most(l+1, 2*(left-n), symbols-n, 2*max(rest, 0)))
	}
	s.memo[key] = most
	return most
}
