package auth

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxFile bounds what is read of a file.
	maxFile = 1 << 20

	// lookEvery is how often, at most, it is looked whether a file has changed.
	lookEvery = 5 * time.Second

	// rest is how old a change is that is read: somebody may be writing yet.
	rest = time.Second
)

// A reread is what a file says, read again when the file changes.
type reread[T any] struct {
	file  string
	parse func([]byte) (T, error)
	tell  func(file string, err error)

	value atomic.Pointer[T]

	mu    sync.Mutex // held by the one who looks
	next  time.Time  // when to look again
	stamp stamp
}

// A stamp tells versions of a file apart.
type stamp struct {
	time time.Time
	size int64
}

// newReread reads the file for the first time.
func newReread[T any](file string, parse func([]byte) (T, error), tell func(string, error)) (*reread[T], error) {
	f := &reread[T]{file: file, parse: parse, tell: tell, next: time.Now().Add(lookEvery)}
	f.stamp, _ = stampOf(file)
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, nil
}

// get returns what the file says.
func (f *reread[T]) get() *T {
	if f.mu.TryLock() {
		f.look(time.Now())
		f.mu.Unlock()
	}
	return f.value.Load()
}

func (f *reread[T]) look(now time.Time) {
	if now.Before(f.next) {
		return
	}
	f.next = now.Add(lookEvery)
	s, err := stampOf(f.file)
	if err == nil && s == f.stamp {
		return
	}
	if age := now.Sub(s.time); err == nil && age >= 0 && age < rest {
		f.next = now.Add(rest)
		return
	}
	if gone := (stamp{}); err != nil {
		if f.stamp == gone {
			return // told already
		}
		s = gone
	} else {
		err = f.read()
	}
	f.stamp = s
	if f.tell != nil {
		f.tell(f.file, err)
	}
}

func (f *reread[T]) read() error {
	text, err := readFile(f.file)
	if err != nil {
		return err
	}
	v, err := f.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", f.file, err)
	}
	f.value.Store(&v)
	return nil
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: the file is larger than 1 MiB", name)
	}
	return text, err
}

func stampOf(name string) (stamp, error) {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.ModTime(), info.Size()}, nil
}
