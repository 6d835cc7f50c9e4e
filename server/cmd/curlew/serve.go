package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/handler/broadcast"
	"curlew.example/curlew/server/handler/echo"
	"curlew.example/curlew/server/handler/exec"
	"curlew.example/curlew/server/handler/file"
	"curlew.example/curlew/server/handler/hub"
	"curlew.example/curlew/server/handler/proxy"
	"curlew.example/curlew/server/handler/redirect"
	"curlew.example/curlew/server/handler/respond"
	"curlew.example/curlew/server/handler/static"
	"curlew.example/curlew/server/internal/systemd"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/server/web"
)

// handlers are those of this program, by the names of the site file.
func handlers(programs *exec.Processes, channels *hub.Hub) map[string]route.Constructor {
	return map[string]route.Constructor{
		"broadcast": new(broadcast.Rooms).New,
		"echo":      echo.New,
		"exec":      programs.New,
		"file":      file.New,
		"hub":       channels.New,
		"proxy":     proxy.New,
		"redirect":  redirect.New,
		"respond":   respond.New,
		"static":    static.New,
	}
}

type serve struct {
	File     string   `arg:"" optional:""`
	Listen   []string `sep:"none"`
	LogLevel string   `enum:",debug,info,warn,error" default:""`

	AllowRoot bool
}

func (c *serve) Run(ctx context.Context, p *Program) error {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	s, err := awaited(ctx, c.load)
	if err != nil {
		return p.told(err)
	}
	level := new(slog.LevelVar)
	level.Set(levelOf(&s.Log))
	log := newLog(p.Stderr, level, s.Log.Format.Value)
	inherited, err := systemd.Inherit()
	if err != nil {
		return err
	}
	programs := &exec.Processes{Log: log, AllowRoot: c.AllowRoot}
	channels := &hub.Hub{Log: log, Version: buildVersion()}
	defer channels.Close()
	srv, err := server.New(s, server.Options{Handlers: c.handlers(programs, channels), Log: log, Listen: inherited.Listen})
	if err != nil {
		return p.told(err)
	}
	if err := srv.Listen(); err != nil {
		err = p.told(err)
		if c.File == "" && c.Listen == nil {
			fmt.Fprintln(p.Stderr, "curlew: --listen 127.0.0.1:0 takes any port that is free")
		}
		return err
	}
	for _, url := range srv.URLs() {
		fmt.Fprintln(p.Stdout, "listening on", url)
	}
	for _, name := range inherited.Unused() {
		log.Warn("an inherited socket is in no listen of the site; nobody answers there", "socket", name)
	}
	manager := &serviceManager{log: log}
	manager.tell("READY=1", "STATUS=listening on "+strings.Join(srv.URLs(), " "))
	ctx, cancel := context.WithCancel(ctx)
	told := make(chan struct{})
	context.AfterFunc(ctx, func() { defer close(told); manager.tellLast("STOPPING=1", "STATUS=draining") })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			select {
			case <-again:
			case <-ctx.Done():
				return
			}
			manager.tell(systemd.Reloading()...)
			status := c.reload(ctx, srv, level, log, p)
			if ctx.Err() == nil {
				manager.tell("READY=1", "STATUS="+status)
			}
		}
	}()
	var ticking sync.WaitGroup
	if c.File == "" {
		ticking.Go(func() { tick(ctx, channels) })
	}
	err = srv.Serve(ctx)
	programs.Wait() // they have exec.killAfter
	cancel()
	ticking.Wait()
	<-done
	<-told
	return err
}

// reload reads the file again and returns how that went, in a few words. A bad one
// changes nothing and says why.
func (c *serve) reload(ctx context.Context, srv *server.Server, level *slog.LevelVar, log *slog.Logger, p *Program) string {
	s, err := awaited(ctx, c.load)
	if err == nil {
		before := srv.URLs()
		if err = srv.Reload(s); err == nil {
			level.Set(levelOf(&s.Log))
			log.Info("reloaded", "file", c.File)
			for _, url := range srv.URLs() {
				if !slices.Contains(before, url) {
					fmt.Fprintln(p.Stdout, "listening on", url)
				}
			}
			return "listening on " + strings.Join(srv.URLs(), " ")
		}
	}
	if ctx.Err() != nil {
		return "" // nobody is to blame
	}
	log.Error("not reloaded; everything stays as it was", "file", c.File, "error", printable(err.Error()))
	return "not reloaded: " + printable(err.Error())
}

// handlers are those of the site that is served.
func (c *serve) handlers(programs *exec.Processes, channels *hub.Hub) map[string]route.Constructor {
	known := handlers(programs, channels)
	if c.File == "" {
		known["demo"] = func(r *site.Route, _ route.Endpoint) (http.Handler, error) {
			return static.Files(web.Demo(), r.Match.Value), nil
		}
	}
	return known
}

// load reads the site, or takes the demo, and what the flags say instead.
func (c *serve) load() (*site.Site, error) {
	var listen []site.Listen
	for _, text := range c.Listen {
		l, err := site.ParseListen(text)
		if err != nil {
			return nil, wrongUsage{fmt.Errorf("--listen: %w", err)}
		}
		l.From.Path = "--listen"
		listen = append(listen, l)
	}
	var s *site.Site
	var err error
	if c.File == "" {
		s, err = config.Parse("", web.DemoSite(), "demo")
	} else {
		s, err = config.Load(c.File)
	}
	if err != nil {
		return nil, err
	}
	if c.LogLevel != "" {
		s.Log.Level.Value = c.LogLevel
	}
	switch {
	case listen != nil:
		s.Listen = listen
	case c.File == "":
		s.Listen[0].From = site.Place{} // no file that somebody could change
	}
	return s, nil
}

// told prints the errors of a site file as they are, one a line.
func (p *Program) told(err error) error {
	list, ok := err.(config.Errors)
	if !ok {
		return err
	}
	for _, e := range list {
		about := ""
		if e.File == "" {
			about = "curlew: "
		}
		fmt.Fprintln(p.Stderr, about+printable(e.Error()))
	}
	return errSaid
}

// levelOf returns the level that the site asks for.
func levelOf(l *site.Log) slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level.Value)) != nil {
		return slog.LevelInfo
	}
	return level
}

// newLog returns a log in the format that the site asks for; if it does not, text
// for people and JSON for programs.
func newLog(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "text" || format == "" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

type check struct {
	File string `arg:""`
}

func (c *check) Run(ctx context.Context, p *Program) error {
	s, err := awaited(ctx, func() (*site.Site, error) { return config.Load(c.File) })
	if err == nil {
		_, err = server.New(s, server.Options{Handlers: handlers(&exec.Processes{AllowRoot: true}, new(hub.Hub))})
	}
	return p.told(err)
}
