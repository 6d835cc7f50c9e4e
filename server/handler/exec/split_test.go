package exec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// all splits an input that arrives as in gives it.
func all(s splitter, in io.Reader) (messages []string, err error) {
	err = s.split(in, func(b []byte) error {
		messages = append(messages, string(b))
		return nil
	})
	return messages, err
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		s    splitter
		in   string
		want []string
		err  error
	}{
		{splitter{most: 3}, "", nil, nil},
		{splitter{most: 3}, "\n", []string{""}, nil},
		{splitter{most: 3}, "a\n\nabc\nb", []string{"a", "", "abc", "b"}, nil},
		{splitter{most: 3}, "abcd", nil, errLong},
		{splitter{most: 3}, "a\nabcd\n", []string{"a"}, errLong},
		{splitter{most: 3}, "abc\r\n", nil, errLong},
		{splitter{most: 3}, "ab\r\n\r", []string{"ab\r", "\r"}, nil},
		{splitter{most: 3, text: true}, "abc\r\n\r\n\ra\na\r", []string{"abc", "", "\ra", "a"}, nil},
		{splitter{most: 3, text: true}, "abc\r", []string{"abc"}, nil},
		{splitter{most: 3, text: true}, "abc\r\r\n", nil, errLong},
		{splitter{most: 3, lengths: true}, "", nil, nil},
		{splitter{most: 3, lengths: true}, "\x00\x00\x00\x00\x00\x00\x00\x03a\nb\x00\x00\x00\x01c", []string{"", "a\nb", "c"}, nil},
		{splitter{most: 3, lengths: true}, "\x00\x00\x00\x04abcd", nil, errLong},
		{splitter{most: 3, lengths: true}, "\xff\xff\xff\xff", nil, errLong},
		{splitter{most: 3, lengths: true}, "\x00\x00\x00\x01a\x00\x00", []string{"a"}, errPartial},
		{splitter{most: 3, lengths: true}, "\x00\x00\x00\x03ab", nil, errPartial},
	} {
		for how, in := range map[string]io.Reader{
			"at once": strings.NewReader(c.in), "byte by byte": iotest.OneByteReader(strings.NewReader(c.in)),
			"with its end": iotest.DataErrReader(strings.NewReader(c.in)),
		} {
			got, err := all(c.s, in)
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) || err != c.err {
				t.Errorf("%q, %s: %q, %v; want %q, %v", c.in, how, got, err, c.want, c.err)
			}
		}
		for i := range c.in {
			got, err := all(c.s, io.MultiReader(strings.NewReader(c.in[:i]), strings.NewReader(c.in[i:])))
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) || err != c.err {
				t.Errorf("%q split at %d: %q, %v; want %q, %v", c.in, i, got, err, c.want, c.err)
			}
		}
	}
}

// Errors of reading and of the function end it.
func TestSplitErrors(t *testing.T) {
	bad := errors.New("bad")
	for _, s := range []splitter{{most: 9}, {most: 9, lengths: true}} {
		if _, err := all(s, iotest.ErrReader(bad)); err != bad {
			t.Error(err)
		}
		if err := s.split(strings.NewReader("\x00\x00\x00\x00\n"), func([]byte) error { return bad }); err != bad {
			t.Error(err)
		}
	}
}

// The buffer grows with what comes, is given up, and a promise costs nothing.
func TestSplitMemory(t *testing.T) {
	s := splitter{most: 8 << 20}
	in := io.MultiReader(strings.NewReader(strings.Repeat("x", 8<<20)+"\n"), strings.NewReader("y\n"))
	sizes := []int{}
	if err := s.split(in, func(b []byte) error { sizes = append(sizes, cap(s.buf)); return nil }); err != nil {
		t.Fatal(err)
	}
	if sizes[0] > 16<<20 || sizes[1] > keptBuffer {
		t.Errorf("buffers of %v", sizes)
	}
	s = splitter{most: 1 << 30, lengths: true}
	all(s, strings.NewReader("\x3f\xff\xff\xff"+"abc"))
	if err := s.split(strings.NewReader("\x3f\xff\xff\xff"+"abc"), nil); err != errPartial || cap(s.buf) > firstBuffer {
		t.Errorf("%v, a buffer of %d for a promise", err, cap(s.buf))
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\nb\r\n\x00\x00\x00\x01c"), uint8(3), uint8(2), false)
	f.Add([]byte("\x00\x00\x00\x01c\x00\x00\x00\x00"), uint8(3), uint8(5), true)
	f.Fuzz(func(t *testing.T, in []byte, most, at uint8, lengths bool) {
		s := splitter{most: int(most), lengths: lengths, text: most%2 == 0}
		want, wantErr := all(s, bytes.NewReader(in))
		i := min(int(at), len(in))
		got, err := all(s, io.MultiReader(bytes.NewReader(in[:i]), iotest.OneByteReader(bytes.NewReader(in[i:]))))
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || err != wantErr {
			t.Errorf("%q, %v in pieces; %q, %v at once", got, err, want, wantErr)
		}
		for _, m := range got {
			if len(m) > int(most) {
				t.Errorf("a message of %d", len(m))
			}
		}
	})
}
