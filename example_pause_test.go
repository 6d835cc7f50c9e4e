package curlew_test

import (
	"context"
	"fmt"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// Work is done elsewhere, one piece at a time; the callback does not wait for it.
func ExampleConn_Pause() {
	s, c := wstest.Pipe(nil, nil)
	work := make(chan string, 1)
	var worker sync.WaitGroup
	worker.Go(func() {
		for job := range work {
			fmt.Println("done:", job)
			s.Resume()
		}
	})
	for _, job := range []string{"a", "b", "c"} {
		c.Send(curlew.Text, []byte(job))
	}
	c.Close(curlew.NormalClosure, "")
	curlew.Serve(context.Background(), s, &curlew.Events{
		Message: func(s *curlew.Conn, _ curlew.Type, job []byte) {
			s.Pause() // no other until the worker is free
			work <- string(job)
		},
	})
	close(work)
	worker.Wait()
	// Output:
	// done: a
	// done: b
	// done: c
}

// A consumer that takes what it is given when it likes.
func ExampleConn_Resume() {
	s, c := wstest.Pipe(nil, nil)
	got := make(chan string, 1)
	go curlew.Serve(context.Background(), s, &curlew.Events{
		Message: func(s *curlew.Conn, _ curlew.Type, p []byte) {
			s.Pause()
			got <- string(p)
		},
	})
	c.Send(curlew.Text, []byte("one"))
	c.Send(curlew.Text, []byte("two"))
	for range 2 {
		fmt.Println(<-got)
		s.Resume()
	}
	c.Close(curlew.NormalClosure, "")
	<-c.Done()
	// Output:
	// one
	// two
}
