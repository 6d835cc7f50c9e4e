package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"curlew.example/curlew"
	"curlew.example/curlew/hub/proto"
)

type hubTop struct {
	hubAt
	Key     string `required:""`
	Prefix  string
	Every   time.Duration
	Count   int
	Busiest int `default:"20"`
}

// every is how often top looks by default.
const every = 2 * time.Second

// maxPages is how many calls top makes for channels each time.
const maxPages = 20

func (c *hubTop) Run(ctx context.Context, p *Program) error {
	c.Every = cmp.Or(c.Every, every)
	switch {
	case c.Every < 100*time.Millisecond:
		return wrongUsage{errors.New("--every: a time of 100ms or more")}
	case c.Count < 0 || c.Busiest < 0:
		return wrongUsage{errors.New("--count, --busiest: a number")}
	case !strings.HasPrefix(c.Key, "@"):
		return wrongUsage{errors.New("--key: @FILE is wanted, as all on this machine can see what stands here")}
	}
	dial, err := c.options()
	if err != nil {
		return err
	}
	key, err := secretOf("--key", c.Key)
	if err != nil {
		return err
	}
	at, err := url.Parse(c.URL)
	if err != nil {
		return wrongUsage{err}
	}
	at.Scheme = "http" + strings.TrimPrefix(strings.TrimPrefix(at.Scheme, "http"), "ws")
	a := &api{url: at, key: key, header: dial.Header}
	proxy := dial.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	a.client = &http.Client{
		Transport: &http.Transport{Proxy: proxy, TLSClientConfig: dial.TLS}, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer a.client.CloseIdleConnections()
	out := newLines(p.Stdout)
	last, err := a.sample(ctx, c.Prefix)
	if err != nil {
		return err
	}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		now, err := a.sample(ctx, c.Prefix)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		text, err := json.Marshal(now.since(last, c.Busiest))
		if err != nil {
			return err
		}
		if out.message(curlew.Text, text, false) != nil || n == c.Count {
			return nil
		}
		last = now
	}
}

// An api is that of a hub over HTTP.
type api struct {
	url    *url.URL
	key    string
	header http.Header
	client *http.Client
}

// call makes a call and reads the answer into one.
func (a *api) call(ctx context.Context, name string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url.JoinPath(name).String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = a.header.Clone()
	r.Header.Set("Authorization", "Bearer "+a.key)
	r.Header.Set("Content-Type", "application/json")
	got, err := a.client.Do(r)
	if err != nil {
		return explain(err)
	}
	defer got.Body.Close()
	text, err := io.ReadAll(io.LimitReader(got.Body, maxMessage))
	if err != nil {
		return err
	}
	if got.StatusCode != http.StatusOK {
		var e struct{ Error *proto.Error }
		if json.Unmarshal(text, &e) == nil && e.Error != nil {
			return fmt.Errorf("%s: %d: %w", name, got.StatusCode, e.Error)
		}
		return fmt.Errorf("%s: the server answers %d: is there a hub at %s?", name, got.StatusCode, a.url.Redacted())
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%s: the answer is not that of a hub", name)
	}
	return nil
}

// A sample is a hub at an instant.
type sample struct {
	at   time.Time
	info struct {
		Clients   int   `json:"clients"`
		Channels  int   `json:"channels"`
		Published int64 `json:"published"`
		Delivered int64 `json:"delivered"`
		Lost      int64 `json:"lost"`
		TooSlow   int64 `json:"tooSlow"`
	}
	channels map[string]listed
	more     bool
}

type listed struct {
	Channel     string `json:"channel"`
	Subscribers int    `json:"subscribers"`
	Offset      int64  `json:"offset"`
}

func (a *api) sample(ctx context.Context, prefix string) (*sample, error) {
	s := &sample{at: time.Now(), channels: make(map[string]listed)}
	var info struct{ Info any }
	info.Info = &s.info
	if err := a.call(ctx, "info", struct{}{}, &info); err != nil {
		return nil, err
	}
	after := ""
	for range maxPages {
		var page struct {
			Channels []listed
			More     bool
		}
		if err := a.call(ctx, "channels", map[string]string{"prefix": prefix, "after": after}, &page); err != nil {
			return nil, err
		}
		for _, ch := range page.Channels {
			s.channels[ch.Channel] = ch
			after = ch.Channel
		}
		if s.more = page.More && len(page.Channels) > 0; !s.more {
			break
		}
	}
	return s, nil
}

// rates are what top writes: numbers, and what has happened in a second.
type rates struct {
	Time      int64         `json:"time"` // milliseconds since 1970
	Clients   int           `json:"clients"`
	Channels  int           `json:"channels"`
	Published float64       `json:"published"`
	Delivered float64       `json:"delivered"`
	Lost      float64       `json:"lost"`
	TooSlow   float64       `json:"tooSlow"`
	Busiest   []channelRate `json:"busiest"`
	More      bool          `json:"more,omitempty"` // there are more channels than were looked at
}

type channelRate struct {
	Channel     string  `json:"channel"`
	Subscribers int     `json:"subscribers"`
	Published   float64 `json:"published"`
}

func (s *sample) since(last *sample, most int) *rates {
	seconds := s.at.Sub(last.at).Seconds()
	rate := func(now, then int64) float64 {
		if now < then { // it has begun anew
			then = 0
		}
		return float64(int64(float64(now-then)/seconds*10+0.5)) / 10
	}
	r := &rates{
		Time: s.at.UnixMilli(), Clients: s.info.Clients, Channels: s.info.Channels, More: s.more,
		Published: rate(s.info.Published, last.info.Published), Delivered: rate(s.info.Delivered, last.info.Delivered),
		Lost: rate(s.info.Lost, last.info.Lost), TooSlow: rate(s.info.TooSlow, last.info.TooSlow),
		Busiest: []channelRate{},
	}
	for name, ch := range s.channels {
		then, known := last.channels[name]
		if !known {
			then.Offset = ch.Offset
		}
		r.Busiest = append(r.Busiest, channelRate{name, ch.Subscribers, rate(ch.Offset, then.Offset)})
	}
	slices.SortFunc(r.Busiest, func(a, b channelRate) int {
		return cmp.Or(cmp.Compare(b.Published, a.Published), cmp.Compare(b.Subscribers, a.Subscribers), cmp.Compare(a.Channel, b.Channel))
	})
	r.Busiest = r.Busiest[:min(len(r.Busiest), most)]
	return r
}
