package conform

import (
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// TestReportsWait: a case may last longer than the client's connection; a client
// that asks for the reports at once, and is gone then, loses nothing.
func TestReportsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &Case{ID: "1.1", Title: "over later", Roles: ForClients, Script: script{
			send(closing(1000, "")), want(closing(1000, "")), pause(2 * time.Second), do(func(s *session) error { s.over = true; return nil })}}
		reported := -1
		clients := &Clients{Cases: []*Case{slow}, Once: true, Reported: func(_ string, r []Result) { reported = len(r) }}
		n := wstest.NewNetwork(nil)
		l := n.Listen("example.com:80")
		done := make(chan error, 1)
		go func() { done <- clients.Serve(t.Context(), l) }()
		for _, path := range []string{"/runCase?case=1&agent=a", "/updateReports?agent=a"} {
			c, err := curlew.Dial(t.Context(), "ws://example.com"+path, &curlew.DialOptions{DialContext: n.DialContext})
			if err != nil {
				t.Fatal(err)
			}
			c.Read(t.Context(), nil)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if reported != 1 {
			t.Errorf("%d results were reported, want 1", reported)
		}
		time.Sleep(time.Minute) // what lingers
	})
}
