package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	"curlew.example/curlew/frame"
)

// A Fanout is what load -fanout prints: how long messages of one took to the others,
// those that read.
type Fanout struct {
	Readers, Stalled int
	Messages         int     // published
	Delivered        int     // of Messages times Readers
	P50, P99, Max    float64 // ms
	Publish          float64 // ms, the longest that the publisher waited to send one
}

// fanout has one connection publish messages of size bytes at a rate to n others, of
// which stalled never read. All are to be in one room, whose site neither pings nor
// has a timeout for writing: else the stalled ones are soon gone.
func fanout(u *url.URL, n, stalled, size int, every, length time.Duration) (*Fanout, error) {
	var readers []*conn
	defer func() { closeAll(readers) }()
	for i := range n {
		c, err := dialBy(narrow(i < stalled), u)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
		if i < stalled {
			defer c.nc.Close()
		} else {
			readers = append(readers, c)
		}
	}
	publisher, err := dial(u)
	if err != nil {
		return nil, err
	}
	defer publisher.nc.Close()

	began := time.Now()
	f := &Fanout{Readers: len(readers), Stalled: stalled, Messages: int(length / every)}
	times := make([][]time.Duration, len(readers))
	var done sync.WaitGroup
	for i, c := range append(slices.Clone(readers), publisher) {
		done.Go(func() {
			for range f.Messages {
				at, err := c.stamp(size)
				if err != nil {
					return
				}
				if i < len(times) {
					times[i] = append(times[i], time.Since(began)-at)
				}
			}
		})
	}
	message := make([]byte, size)
	for i := range f.Messages {
		time.Sleep(time.Until(began.Add(time.Duration(i) * every)))
		h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Length: int64(size)} // the key is 0: no masking
		at := time.Since(began)
		binary.BigEndian.PutUint64(message, uint64(at))
		if _, err := publisher.nc.Write(append(h.Append(nil), message...)); err != nil {
			return nil, err
		}
		f.Publish = max(f.Publish, ms(time.Since(began)-at))
	}
	over := time.AfterFunc(patience, func() { closeAll(readers); publisher.nc.Close() })
	done.Wait()
	over.Stop()
	all := slices.Concat(times...)
	slices.Sort(all)
	if f.Delivered = len(all); len(all) > 0 {
		f.P50, f.P99, f.Max = ms(all[len(all)/2]), ms(all[len(all)*99/100]), ms(all[len(all)-1])
	}
	return f, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// narrow is a dialer, for those who stall one whose socket takes next to nothing: else
// the kernel holds megabytes for each.
func narrow(stalls bool) *net.Dialer {
	d := &net.Dialer{Timeout: 10 * time.Second}
	if stalls {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		}
	}
	return d
}

// stamp reads a message of size bytes and returns the instant in it.
func (c *conn) stamp(size int) (time.Duration, error) {
	if c.store == nil {
		store := make([]byte, size+frame.MaxHeader)
		c.store = &store
	}
	h, err := c.header()
	if err != nil {
		return 0, err
	}
	if h.Opcode != frame.Binary || !h.Fin || h.Length != int64(size) {
		return 0, fmt.Errorf("not such a message: %+v", h)
	}
	for len(c.buf) < size {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	at := time.Duration(binary.BigEndian.Uint64(c.buf))
	c.buf = c.buf[size:]
	return at, nil
}
