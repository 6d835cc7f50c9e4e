package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"curlew.example/curlew/server"
	"curlew.example/curlew/server/config"
	"curlew.example/curlew/server/handler/echo"
	"curlew.example/curlew/server/handler/redirect"
	"curlew.example/curlew/server/handler/respond"
	"curlew.example/curlew/server/handler/static"
	"curlew.example/curlew/server/route"
	"curlew.example/curlew/server/site"
	"curlew.example/curlew/server/web"
)

// handlers are those of this program, by the names of the site file.
func handlers() map[string]route.Constructor {
	return map[string]route.Constructor{
		"echo":     echo.New,
		"redirect": redirect.New,
		"respond":  respond.New,
		"static":   static.New,
	}
}

type serve struct {
	File     string   `arg:"" optional:""`
	Listen   []string `sep:"none"`
	LogLevel string   `enum:",debug,info,warn,error" default:""`
}

func (c *serve) Run(ctx context.Context, p *Program) error {
	s, known, err := c.load()
	if err != nil {
		return p.told(err)
	}
	if c.LogLevel != "" {
		s.Log.Level.Value = c.LogLevel
	}
	srv, err := server.New(s, server.Options{Handlers: known, Log: newLog(p.Stderr, &s.Log)})
	if err != nil {
		return p.told(err)
	}
	if err := srv.Listen(); err != nil {
		return err
	}
	for _, url := range srv.URLs() {
		fmt.Fprintln(p.Stdout, "listening on", url)
	}
	return srv.Serve(ctx)
}

// load reads the site, or takes the demo, and the listeners of the flags.
func (c *serve) load() (*site.Site, map[string]route.Constructor, error) {
	known := handlers()
	var s *site.Site
	var err error
	if c.File == "" {
		known["demo"] = func(r *site.Route, _ route.Endpoint) (http.Handler, error) {
			return static.Files(web.Demo(), r.Match.Value), nil
		}
		s, err = config.Parse("(demo site)", web.DemoSite(), "demo")
	} else {
		s, err = config.Load(c.File)
	}
	if err != nil || len(c.Listen) == 0 {
		return s, known, err
	}
	s.Listen = nil
	for _, text := range c.Listen {
		l, err := site.ParseListen(text)
		if err != nil {
			return nil, nil, wrongUsage{fmt.Errorf("--listen: %w", err)}
		}
		s.Listen = append(s.Listen, l)
	}
	return s, known, nil
}

// told prints the errors of a site file as they are, one a line.
func (p *Program) told(err error) error {
	if list, ok := err.(config.Errors); ok {
		fmt.Fprintln(p.Stderr, printable(list.Error()))
		return errSaid
	}
	return err
}

// newLog returns the log that the site asks for: text for people, JSON for
// programs.
func newLog(w io.Writer, l *site.Log) *slog.Logger {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level.Value)) != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if l.Format.Value == "text" || l.Format.Value == "" && isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

type check struct {
	File string `arg:""`
}

func (c *check) Run(p *Program) error {
	s, err := config.Load(c.File)
	if err == nil {
		_, err = server.New(s, server.Options{Handlers: handlers()})
	}
	return p.told(err)
}
