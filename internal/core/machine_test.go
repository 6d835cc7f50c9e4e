package core

import (
	"bytes"
	"fmt"
	"testing"

	"curlew.example/curlew/frame"
)

// A talk is two Machines, or one and what a test feeds it.
type talk struct {
	t *testing.T
	m *Machine
	c Config
	s said // what the Machine was told
}

func newTalk(t *testing.T, c Config) *talk { return &talk{t: t, m: NewMachine(c), c: c} }

// feeds gives bytes; messages are echoed as the application would, whole frames
// at a time.
func (k *talk) feeds(b []byte) {
	k.t.Helper()
	k.m.Feed(bytes.Clone(b), func(ev *Event) {
		k.s.add(ev)
		if ev.Kind == Data && ev.First && ev.Last {
			k.m.Send(ev.Opcode, ev.Payload)
		}
	})
}

// wants compares the Output, as the peer understands it.
func (k *talk) wants(why, want string) {
	k.t.Helper()
	if got := written(k.t, k.c.Server, k.m.Output()); got != want {
		k.t.Errorf("%s: got\n%s\nwant\n%s", why, got, want)
	}
	if len(k.m.Output()) > 0 {
		k.t.Errorf("%s: Output twice", why)
	}
}

func bothRoles(t *testing.T, f func(t *testing.T, c Config)) {
	for _, c := range []Config{open, client(open)} {
		t.Run(fmt.Sprintf("server %t", c.Server), func(t *testing.T) { f(t, c) })
	}
}

// An echo, with what control frames do in between.
func TestMachine_Echo(t *testing.T) {
	bothRoles(t, func(t *testing.T, c Config) {
		k := newTalk(t, c)
		k.feeds(to(c).text("hello").b)
		k.wants("the echo", read(frame.Text, "hello"))
		k.feeds(to(c).more(frame.Text, "he").ping("x").b)
		k.wants("FR15 pong before the message ends", `pong "x"`)
		k.feeds(to(c).last("llo").pong("unasked").b)
		k.wants("nothing to say", "")
		k.feeds(to(c).text("a").ping("1").binary("b").ping("2").b)
		k.wants("in order", read(frame.Text, "a")+"\npong \"1\"\n"+read(frame.Binary, "b")+"\npong \"2\"")
		k.m.Ping(5)
		k.wants("our ping", `ping "\x00\x00\x00\x00\x00\x00\x00\x05"`)
		if k.m.Done() {
			t.Error("done")
		}
	})
}

// The peer closes: its Close is answered, nothing is heard after it and nothing
// said.
func TestCL1_Machine(t *testing.T) {
	bothRoles(t, func(t *testing.T, c Config) {
		k := newTalk(t, c)
		k.feeds(to(c).text("a").close(4321, "reason").text("b").ping("x").b)
		k.wants("the echo and the Close", read(frame.Text, "a")+"\n"+`close 4321 ""`)
		k.m.Send(frame.Text, []byte("late"))
		k.m.Ping(1)
		k.m.Close(1000, "")
		k.feeds(to(c).close(1000, "").b)
		k.wants("FR35 nothing after the Close", "")
		if !k.m.Done() {
			t.Error("not done")
		}
		if got, want := k.s.text(), read(frame.Text, "a")+"\n"+`close 4321 "reason"`; got != want {
			t.Errorf("told\n%s\nwant\n%s", got, want)
		}
	})
}

// We close: what the peer still says is heard, its pings are not answered.
func TestMachine_OurClose(t *testing.T) {
	bothRoles(t, func(t *testing.T, c Config) {
		k := newTalk(t, c)
		k.m.Close(1001, "away")
		k.wants("our Close", `close 1001 "away"`)
		if k.m.Done() {
			t.Error("done before the peer's Close")
		}
		k.feeds(to(c).text("late").ping("x").b)
		k.m.Close(1000, "again")
		k.wants("nothing more", "")
		k.feeds(to(c).close(1001, "").b)
		k.wants("no second Close", "")
		if !k.m.Done() {
			t.Error("not done")
		}
	})
}

// A failure: our Close says which, once, and then nothing is heard.
func TestMachine_Failure(t *testing.T) {
	bothRoles(t, func(t *testing.T, c Config) {
		k := newTalk(t, c)
		k.feeds(to(c).text("a").last("x").text("b").b)
		k.wants("the failure", read(frame.Text, "a")+"\n"+
			`close 1002 "continuation without a message to continue"`)
		if !k.m.Done() {
			t.Error("the peer's Close is awaited")
		}
		for range 1000 { // FR37
			k.feeds(to(c).close(1000, "").ping("").b)
		}
		k.wants("nothing more", "")
	})
}

// Two Machines understand each other, however what they say is cut.
func TestMachine_ToEachOther(t *testing.T) {
	for _, n := range []int{1, 3, 1 << 20} {
		a, b := newTalk(t, open), newTalk(t, client(open))
		pass := func() {
			for range 10 {
				for _, p := range chop(bytes.Clone(a.m.Output()), n) {
					b.m.Feed(p, b.s.add)
				}
				for _, p := range chop(bytes.Clone(b.m.Output()), n) {
					a.m.Feed(p, a.s.add)
				}
			}
		}
		a.m.Send(frame.Text, []byte("from a"))
		b.m.Send(frame.Binary, []byte(long))
		a.m.Ping(1)
		pass()
		a.m.Close(1000, "a")
		b.m.Close(1001, "b") // CL11
		pass()
		if !a.m.Done() || !b.m.Done() {
			t.Error("not done")
		}
		one := "\x00\x00\x00\x00\x00\x00\x00\x01"
		if got, want := a.s.text(), fmt.Sprintf("%s\npong %q\nclose 1001 \"b\"", read(frame.Binary, long), one); got != want {
			t.Errorf("a was told\n%s\nwant\n%s", got, want)
		}
		if got, want := b.s.text(), fmt.Sprintf("%s\nping %q\nclose 1000 \"a\"", read(frame.Text, "from a"), one); got != want {
			t.Errorf("b was told\n%s\nwant\n%s", got, want)
		}
	}
}
