package curlew

import (
	"testing"
	"unsafe"
)

// TestLayout: what an idle connection holds, in bytes of the classes in which
// memory is allocated (docs/decisions/0004). Whoever adds a field that only work
// needs adds it to what work takes from a pool: intake, queue, flusher, window.
func TestLayout(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Log("the sizes are those of 64-bit systems")
		return
	}
	for name, c := range map[string]struct{ is, most uintptr }{
		"Conn":   {unsafe.Sizeof(Conn{}), 416},
		"parked": {unsafe.Sizeof(parked{}), 144},
		"driver": {unsafe.Sizeof(driver{}), 32},
		"entry":  {unsafe.Sizeof(entry{}), 16},
	} {
		if c.is > c.most {
			t.Errorf("%s has %d bytes, want at most %d", name, c.is, c.most)
		}
	}
}
