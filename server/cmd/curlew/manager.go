package main

import (
	"log/slog"
	"sync"

	"curlew.example/curlew/server/internal/systemd"
)

// A serviceManager is told how we are, if there is one.
type serviceManager struct {
	log *slog.Logger

	mu    sync.Mutex // held while it is told: one thing after the other
	ended bool
}

func (m *serviceManager) tell(lines ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tellLocked(lines)
}

// tellLast tells of the end. Nothing is told behind that.
func (m *serviceManager) tellLast(lines ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tellLocked(lines)
	m.ended = true
}

func (m *serviceManager) tellLocked(lines []string) {
	if m.ended {
		return
	}
	if err := systemd.Notify(lines...); err != nil {
		m.log.Warn(err.Error())
	}
}
