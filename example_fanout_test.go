package curlew_test

import (
	"context"
	"fmt"
	"sync"

	"curlew.example/curlew"
	"curlew.example/curlew/wstest"
)

// A guest is a member of a party.
type guest struct {
	curlew.Seat
	conn *curlew.Conn
}

func ExampleFanout() {
	var mu sync.Mutex // under which all get everything in the same order
	var party curlew.Fanout[*guest]

	var clients []*curlew.Conn
	for range 2 {
		s, c := wstest.Pipe(nil, nil)
		defer end(s, c)
		clients = append(clients, c)
		mu.Lock()
		party.Add(&guest{conn: s})
		mu.Unlock()
	}

	m := curlew.Prepare(curlew.Text, []byte("welcome"))
	mu.Lock()
	for g, b := range party.All() {
		b.Send(g.conn, m)
	}
	mu.Unlock()
	for _, c := range clients {
		_, p, err := c.Read(context.Background(), nil)
		fmt.Println(string(p), err)
	}
	// Output:
	// welcome <nil>
	// welcome <nil>
}

func ExampleBatch_Send() {
	var mu sync.Mutex
	var room curlew.Fanout[*guest]
	// A message for all but the one who says it.
	say := func(from *guest, p []byte) {
		m := curlew.Prepare(curlew.Text, p)
		mu.Lock()
		defer mu.Unlock()
		for to, b := range room.All() {
			if to != from {
				b.Send(to.conn, m) // an error is to's, which is ending or too slow
			}
		}
	}
	say(nil, []byte("is anybody there?"))
	fmt.Println(room.Len())
	// Output: 0
}

func ExampleSeat_Taken() {
	var party curlew.Fanout[*guest]
	g := new(guest)
	party.Add(g)
	fmt.Println(g.Taken())
	party.Remove(g)
	fmt.Println(g.Taken())
	// Output:
	// true
	// false
}
