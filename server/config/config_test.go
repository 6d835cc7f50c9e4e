package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/server/site"
)

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "site.json5")
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLoad(t *testing.T) {
	name := write(t, `{ routes: [{ handler: 'static', static: { directory: './public' } }] }`)
	s, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.Routes[0].Static.Directory.Value, filepath.Join(filepath.Dir(name), "public"); got != want {
		t.Errorf("directory: got %s, want %s", got, want)
	}
	if s.File != name {
		t.Errorf("file: %s", s.File)
	}

	if _, err := Load(name + ".not"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(filepath.Dir(name)); err == nil {
		t.Error("a folder is no site file")
	}
}

// TestCF1_Refused: what is wrong is not loaded, and the error names file, line
// and key.
func TestCF1_Refused(t *testing.T) {
	for text, want := range map[string]string{
		`{ rotues: [] }`:                        ":1:3: rotues: unknown key; did you mean 'routes'?",
		`{ limits: { maxFrame: true } }`:        ":1:23: limits.maxFrame: found true; a size, such as '64 KB', or 'unlimited' is wanted",
		`{ log: {}, log: {} }`:                  ":1:12: log: this key is given twice, first in line 1; keep one of them",
		`{ timeouts: { pong: -1 } }`:            ":1:21: timeouts.pong: '-1' is negative; a time is more than 0; for no limit write 'unlimited'",
		`{ limits: { maxMessage: '9e9 GB' } }`:  ":1:25: limits.maxMessage: '9e9 GB' has the unknown unit 'e9 GB'; a unit is KB, MB or GB; without one it is bytes",
		`{ limits: { maxFrame: '99999999TB' }}`: ":1:23: limits.maxFrame: '99999999TB' has the unknown unit 'TB'; a unit is KB, MB or GB; without one it is bytes",
		`{ limits: { maxFrame: 1e19 } }`:        ":1:23: limits.maxFrame: '10000000000000000000' is too large for a size; for no limit write 'unlimited'",
	} {
		name := write(t, text)
		s, err := Load(name)
		var es Errors
		if s != nil || !errors.As(err, &es) || err.Error() != name+want {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, name+want)
		}
	}
}

func TestCF2_LargeFile(t *testing.T) {
	name := write(t, "{}"+strings.Repeat(" ", 1<<20))
	if err := os.Truncate(name, 100<<20); err != nil {
		t.Fatal(err)
	}
	_, err := Load(name)
	if err == nil || err.Error() != name+": the file is larger than 1 MiB; a site file is a few KB" {
		t.Error(err)
	}
	if _, err := Load(write(t, "{}"+strings.Repeat(" ", 1<<20-2))); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
}

func parse(t *testing.T, text string) *site.Site {
	t.Helper()
	s, err := Parse("site.json5", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOptions sets everything: no option of a connection is out of reach of the
// file, and none that the file has is lost.
func TestOptions(t *testing.T) {
	s := parse(t, `{ routes: [{
		handler: 'echo',
		limits: { maxMessage: 1, maxFrame: 2, maxPacket: 3, maxFragments: 4, sendQueue: 5, messagesPerSecond: 6, bytesPerSecond: 7 },
		timeouts: { pong: 1, inactivity: 2, request: 3, close: 4, write: 5 },
		webSockets: {
			protocol: 'chat', requireProtocol: true, ping: 6, validateUTF: false, preserveFrames: true, whenFull: 'dropNewest',
			compression: { level: 9, minSize: 7, serverContext: true, clientContext: true, windowBits: 10, memory: '1 MB' },
		},
		origins: ['https://a.example', '*'],
		headers: { 'X-A': ['1', '2'] },
	}] }`)
	got := Options(s.Routes[0])
	want := &curlew.Options{
		Subprotocols: []string{"chat"}, RequireSubprotocol: true, Origins: []string{"https://a.example"}, InsecureAnyOrigin: true,
		Header:     map[string][]string{"X-A": {"1", "2"}},
		MaxMessage: 1, MaxFrame: 2, MaxPacket: 3, MaxFragments: 4, SendQueue: 5, MessagesPerSecond: 6, BytesPerSecond: 7, PreserveFrames: true, AllowInvalidUTF8: true, WhenFull: curlew.WhenFullDropNewest,
		Compression:  &curlew.Compression{Level: 9, MinSize: 7, ServerContext: true, ClientContext: true, WindowBits: 10, Memory: curlew.NewBudget(1 << 20)},
		PingInterval: 6 * time.Second, PongTimeout: time.Second, InactivityTimeout: 2 * time.Second, RequestTimeout: 3 * time.Second,
		CloseTimeout: 4 * time.Second, WriteTimeout: 5 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, v := range []reflect.Value{reflect.ValueOf(*got), reflect.ValueOf(*got.Compression)} {
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "AllowOrigin" && name != "WriterTimeout" && name != "GoroutinePerConn" { // for programs
				t.Errorf("%s: nothing in the file sets it", name)
			}
		}
	}
}

// TestOptionsDefault: what the file does not say is what the library does by
// itself.
func TestOptionsDefault(t *testing.T) {
	s := parse(t, `{ routes: [{ handler: 'echo' }, { handler: 'echo', webSockets: { compression: true } }, { handler: 'echo', webSockets: { compression: { minSize: 0 } } }] }`)
	got := Options(s.Routes[0])
	want := &curlew.Options{
		MaxMessage: 1 << 20, MaxFrame: 128 << 10, MaxPacket: -1, MaxFragments: 1024, SendQueue: 256 << 10, MessagesPerSecond: -1, BytesPerSecond: -1,
		PingInterval: 25 * time.Second, PongTimeout: 10 * time.Second, InactivityTimeout: 5 * time.Minute, RequestTimeout: -1,
		CloseTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if c := Options(s.Routes[1]).Compression; !reflect.DeepEqual(c, &curlew.Compression{Level: 1, MinSize: 512, WindowBits: 15}) {
		t.Errorf("compression: %+v", c)
	}
	if c := Options(s.Routes[2]).Compression; c.MinSize != -1 {
		t.Errorf("minSize 0: %+v", c)
	}
}

// TestOptionsUnlimited: what is off is negative, never the library's default.
func TestOptionsUnlimited(t *testing.T) {
	s := parse(t, `{ routes: [{
		handler: 'echo',
		limits: { maxMessage: 'unlimited', maxFrame: 'none', maxPacket: 'infinite', maxFragments: Infinity, sendQueue: 'unlimited' },
		timeouts: { pong: 'never', inactivity: 'never', request: 'never', close: 'never', write: 'never' },
		webSockets: { ping: 'never', whenFull: 'dropOldest' },
	}] }`)
	o := Options(s.Routes[0])
	want := &curlew.Options{
		MaxMessage: -1, MaxFrame: -1, MaxPacket: -1, MaxFragments: -1, SendQueue: -1, MessagesPerSecond: -1, BytesPerSecond: -1, WhenFull: curlew.WhenFullDropOldest,
		PingInterval: -1, PongTimeout: -1, InactivityTimeout: -1, RequestTimeout: -1, CloseTimeout: -1, WriteTimeout: -1,
	}
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
}
