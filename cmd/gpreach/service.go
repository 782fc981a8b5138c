package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
	"github.com/spf13/pflag"

	"github.com/gpreach/gpreach/exporter"
)

const (
	drainTime = 5 * time.Second // for requests in flight when serve ends
	tellTime  = time.Second     // for them to tell what is known by then
)

// webFlags say how to listen. They are exporter-toolkit's.
type webFlags struct {
	listen  []string
	config  string
	pprof   bool
	systemd bool
}

func (w *webFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&w.listen, "web.listen-address", nil, "`ADDRESS` and port to listen on; repeatable (default 127.0.0.1:10135)")
	f.StringVar(&w.config, "web.config.file", "", "the `FILE` of exporter-toolkit that turns on TLS and authentication")
	f.BoolVar(&w.pprof, "web.pprof", false, "serve profiles of this program at /debug/pprof/, over loopback alone")
	w.registerSystemd(f)
}

// override puts what the command line says in place of the configuration's.
func (w *webFlags) override(s *exporter.Settings) error {
	if len(w.listen) > 0 {
		s.Listen = w.listen
	}
	for _, a := range s.Listen {
		if err := exporter.CheckListen(a); err != nil {
			return fmt.Errorf("--web.listen-address: %w", err)
		}
	}
	if w.config != "" {
		s.WebConfig = w.config
		if err := exporter.CheckWeb(w.config); err != nil {
			return fmt.Errorf("--web.config.file: %w", err)
		}
	}
	return nil
}

// listeners listens on every address, or on none, and says loudly who may come.
func (w *webFlags) listeners(ctx context.Context, s *exporter.Settings, log *slog.Logger) ([]net.Listener, error) {
	all, err := w.activated()
	if err != nil {
		return nil, err
	}
	if !w.systemd {
		for _, a := range s.Listen {
			l, err := new(net.ListenConfig).Listen(ctx, "tcp", a)
			if err != nil {
				for _, l := range all {
					l.Close()
				}
				return nil, fmt.Errorf("%s cannot be listened on: %w", a, err)
			}
			all = append(all, l)
		}
	}
	security := exporter.Secure(s.WebConfig)
	for _, l := range all {
		log.Info("listening", "address", l.Addr().String(), "tls", security.TLS, "authentication", security.Authenticated())
		if !exporter.Wider(l.Addr()) {
			continue
		}
		switch address := l.Addr().String(); {
		case !security.Authenticated() && !security.TLS:
			log.Warn("listening beyond loopback without TLS and authentication: whoever reaches this port can have hosts probed and read the metrics; the page and /targets are off", "address", address)
		case !security.Authenticated():
			log.Warn("listening beyond loopback without authentication: whoever reaches this port can have hosts probed and read the metrics; the page and /targets are off", "address", address)
		case !security.TLS:
			log.Warn("listening beyond loopback without TLS: passwords and results cross the network in clear", "address", address)
		}
	}
	return all, nil
}

// onHangup returns a channel of SIGHUPs, which never come on Windows, and a
// function that ends them.
func onHangup() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// A service is an exporter where it listens.
type service struct {
	exporter  *exporter.Exporter
	listeners []net.Listener
	webConfig string
	hangups   <-chan os.Signal
	log       *slog.Logger
}

// run answers until ctx ends; then the sweeps stop at once, and requests in
// flight may finish.
func (s *service) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var addresses []net.Addr
	for _, l := range s.listeners {
		addresses = append(addresses, l.Addr())
	}
	handler := s.exporter.Handler(addresses...)
	flags := &web.FlagConfig{WebConfigFile: &s.webConfig}
	var running sync.WaitGroup
	running.Go(func() { s.exporter.Run(ctx) })
	running.Go(func() { s.reload(ctx) })
	var servers []*http.Server
	for _, l := range s.listeners { // each has a server of its own, since the toolkit wraps the server's handler
		server := exporter.Server(handler)
		server.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug) // of connections: any client can cause them
		servers = append(servers, server)
		running.Go(func() {
			if err := web.Serve(l, server, flags, slog.New(quiet{s.log.Handler()})); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	s.drain(context.WithoutCancel(ctx), servers)
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return internal(cause)
	}
	s.log.Info("stopped")
	return nil
}

// reload reads the configuration again at each SIGHUP. What comes of it is logged.
func (s *service) reload(ctx context.Context) {
	for {
		select {
		case <-s.hangups:
			_ = s.exporter.Reload()
		case <-ctx.Done():
			return
		}
	}
}

// drain lets requests in flight finish, has those that take too long tell what
// is known by then, and closes what is left.
func (s *service) drain(ctx context.Context, servers []*http.Server) {
	shutdown := func(d time.Duration) {
		ctx, done := context.WithTimeout(ctx, d)
		defer done()
		var all sync.WaitGroup
		for _, server := range servers {
			all.Go(func() { _ = server.Shutdown(ctx) }) // it fails when the time is over
		}
		all.Wait()
	}
	shutdown(drainTime)
	s.exporter.Close()
	shutdown(tellTime)
	for _, server := range servers {
		server.Close()
	}
}

// quiet passes on what a library has to warn of, and not what it is glad about.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}
