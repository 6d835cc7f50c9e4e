//go:build unix && !race && !invariants

package poll

import (
	"net"
	"testing"

	"curlew.example/curlew/internal/bufs"
)

// A round trip costs no memory, also when Recv has to wait for it.
func TestNoAllocations(t *testing.T) {
	each(t, func(t *testing.T, fd *FD, _, peer net.Conn) {
		go func() {
			p := make([]byte, 100)
			for {
				n, err := peer.Read(p)
				if err != nil {
					return
				}
				peer.Write(p[:n])
			}
		}()
		p := []byte("there and back")
		turn := func(send func([]byte) (int, error)) func() {
			return func() {
				send(p)
				got, err := fd.Recv(16 << 10)
				if err != nil {
					t.Fatal(err)
				}
				bufs.Put(got)
			}
		}
		if n := testing.AllocsPerRun(100, turn(fd.Send)); n != 0 {
			t.Errorf("Send: %v allocations", n)
		}
		if n := testing.AllocsPerRun(100, turn(fd.TrySend)); n != 0 {
			t.Errorf("TrySend: %v allocations", n)
		}
	})
}
