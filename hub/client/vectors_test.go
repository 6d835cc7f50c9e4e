package client_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/client"
	"curlew.example/curlew/hub/proto"
	"curlew.example/curlew/wstest"
)

type object = map[string]any

// A script is one of the vectors' clients.
type script struct {
	Name       string
	Since      *proto.Position
	Subscribed object
	Server     []string
	Events     [][]any
	Position   *proto.Position
}

func vectors(t *testing.T) (scripts []script, closes map[string]bool) {
	p, err := os.ReadFile("../proto/testdata/vectors.json")
	var v struct {
		Clients []script
		Closes  map[string]bool
	}
	if err == nil {
		err = json.Unmarshal(p, &v)
	}
	if err != nil || len(v.Clients) == 0 {
		t.Fatal(err)
	}
	return v.Clients, v.Closes
}

// A stage is a server that does what a function says with each connection.
func stage(t *testing.T, f func(c *curlew.Conn)) (o *client.Options, end func()) {
	network := wstest.NewNetwork(nil)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := curlew.Accept(w, r, &curlew.Options{Subprotocols: []string{proto.Subprotocol}})
		if err != nil {
			t.Error(err)
			return
		}
		f(c)
	})}
	go srv.Serve(network.Listen("hub:80"))
	return &client.Options{DialOptions: &curlew.DialOptions{
			DialContext: func(ctx context.Context, n, _ string) (net.Conn, error) { return network.DialContext(ctx, n, "hub:80") },
		}}, func() {
			srv.Close()
			<-time.After(time.Hour)
		}
}

// answered reads requests until one of a kind, which it answers with a; hello is
// answered anyway.
func answered(t *testing.T, c *curlew.Conn, kind proto.Kind, name string, a any) bool {
	for {
		_, p, err := c.Read(context.Background(), nil)
		if err != nil {
			return false
		}
		var last *proto.Request
		proto.Parse(p, func(r *proto.Request) bool { last = r; return true })
		answer := object{"id": last.ID}
		switch last.Kind {
		case kind:
			answer[name] = a
		case proto.Hello:
			answer["hello"] = object{"connection": "me", "server": "1", "ping": 25000, "limits": object{}}
		default:
			t.Errorf("asked %s", p)
			return false
		}
		text, _ := json.Marshal(answer)
		if c.Write(context.Background(), curlew.Text, text); last.Kind == kind {
			return true
		}
	}
}

// TestVectors: the client's side of proto/testdata/vectors.json.
func TestVectors(t *testing.T) {
	scripts, _ := vectors(t)
	for _, v := range scripts {
		t.Run(v.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, end := stage(t, func(c *curlew.Conn) {
					v.Subscribed["channel"] = "room:7"
					if !answered(t, c, proto.Subscribe, "subscribed", v.Subscribed) {
						return
					}
					for _, line := range v.Server {
						c.Write(context.Background(), curlew.Text, []byte(line))
					}
					<-c.Done()
				})
				defer end()
				var got [][]any
				c := client.New("ws://hub/", o)
				s := c.Subscribe("room:7", recording(&got, v.Since))
				synctest.Wait()
				at := s.Position()
				c.Close()
				p, _ := json.Marshal(got)
				var events [][]any
				json.Unmarshal(p, &events)
				if !reflect.DeepEqual(events, v.Events) {
					t.Errorf("%v, want %v", events, v.Events)
				}
				if v.Position != nil && (at == nil || *at != *v.Position) {
					t.Errorf("at %v, want %v", at, v.Position)
				}
			})
		})
	}
}

// recording notes events as the vectors write them.
func recording(got *[][]any, since *proto.Position) *client.Events {
	add := func(name string, v any) { *got = append(*got, []any{name, v}) }
	return &client.Events{
		Since: since,
		Subscribed: func(at proto.Position, recovered bool, members []proto.Member) {
			v := object{"epoch": at.Epoch, "offset": at.Offset, "recovered": recovered}
			if members != nil {
				var users []*string
				for _, m := range members {
					users = append(users, m.User)
				}
				v["members"] = users
			}
			add("subscribed", v)
		},
		Message: func(m *client.Message) {
			v := object{"offset": m.Offset, "time": m.Time.UnixMilli()}
			if m.Binary {
				v["data64"] = m.Data
			} else {
				v["data"] = json.RawMessage(m.Data)
			}
			if m.User != "" {
				v["user"] = m.User
			}
			if m.Key != "" {
				v["key"] = m.Key
			}
			add("message", v)
		},
		Gap:   func(from, to int64) { add("gap", object{"from": from, "to": to}) },
		Join:  func(m proto.Member) { add("join", m) },
		Leave: func(m proto.Member) { add("leave", m) },
		Ended: func(err error) {
			if e, ok := err.(*proto.Error); ok {
				add("ended", e.Code)
			}
		},
	}
}

// TestCloses: with which close codes the client comes back.
func TestCloses(t *testing.T) {
	_, closes := vectors(t)
	for text, again := range closes {
		t.Run(text, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				code, _ := strconv.Atoi(text)
				n := 0
				o, end := stage(t, func(c *curlew.Conn) {
					if n++; n > 1 {
						<-c.Done()
						return
					}
					answered(t, c, proto.Hello, "hello", object{"connection": "me"})
					switch curlew.Code(code) {
					case curlew.NoStatus:
						c.Close(0, "")
					case curlew.AbnormalClosure:
						c.Abort(nil)
					default:
						c.Close(curlew.Code(code), "")
					}
				})
				defer end()
				c := client.New("ws://hub/", o)
				<-time.After(time.Minute)
				select {
				case <-c.Done():
					if again {
						t.Errorf("ended: %v", c.Err())
					}
				default:
					if !again {
						t.Error("came back")
					}
				}
				if (n > 1) != again {
					t.Errorf("%d connections", n)
				}
				c.Close()
			})
		})
	}
}
