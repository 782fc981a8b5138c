package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/gpreach/gpreach/exporter"
)

const (
	sweepInterval = 15 * time.Minute
	drainTime     = 5 * time.Second // for requests in flight when serve ends
)

func newServe() *cobra.Command {
	var (
		ask    askFlags
		fleet  fleetFlags
		log    logFlags
		listen []string
	)
	c := &cobra.Command{
		Use:   "serve TARGET...",
		Short: "Prometheus exporter: /probe for one target, /metrics with a sweep of all",
		Long: `Serve Prometheus: /probe?target=HOST probes one of the targets now, /metrics has the cached results of a
sweep of all that starts at once and is repeated every 15 minutes. Any other target gets 403.`,
		Example: `  gpreach serve --file hosts.txt
  curl 'http://127.0.0.1:10135/probe?target=ws-001&for=refresh'`,
		RunE: func(c *cobra.Command, args []string) error {
			p, asked, err := ask.prober()
			if err != nil {
				return usage(err)
			}
			logger, err := log.logger(c)
			if err != nil {
				return usage(err)
			}
			f, err := fleet.fleet(c, args)
			if err != nil {
				return usage(err)
			}
			listeners, err := openListeners(c.Context(), listen, logger)
			if err != nil {
				return usage(err)
			}
			e := exporter.New(exporter.Config{
				Prober: f.connected(p), Targets: f.all, Find: f.list.Find, Asked: asked,
				Interval: sweepInterval, Concurrency: ask.concurrency, Rate: ask.rate,
				Version: version(), Hosts: hostNames(listen), Log: logger,
			})
			return serve(c.Context(), e, listeners, logger)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&listen, "web.listen-address", []string{"127.0.0.1:10135"}, "`ADDRESS` and port to listen on; repeatable")
	ask.register(flags, "all")
	fleet.register(flags)
	log.register(flags)
	return c
}

// hostNames returns the names among the addresses to listen on: requests may
// ask for this machine by them.
func hostNames(addresses []string) []string {
	var names []string
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		if _, literal := netip.ParseAddr(host); err == nil && literal != nil && host != "" {
			names = append(names, host)
		}
	}
	return names
}

// openListeners listens on every address, or on none.
func openListeners(ctx context.Context, addresses []string, log *slog.Logger) ([]net.Listener, error) {
	var all []net.Listener
	for _, a := range addresses {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a)
		if err != nil {
			for _, l := range all {
				l.Close()
			}
			return nil, fmt.Errorf("--web.listen-address: %w", err)
		}
		all = append(all, l)
		log.Info("listening", "address", l.Addr().String())
		if t, ok := l.Addr().(*net.TCPAddr); ok && !t.IP.IsLoopback() {
			log.Warn("listening beyond loopback without TLS and authentication: whoever reaches this port can probe the targets and read the results", "address", l.Addr().String())
		}
	}
	return all, nil
}

// serve answers until ctx ends, then lets requests in flight finish.
func serve(ctx context.Context, e *exporter.Exporter, listeners []net.Listener, log *slog.Logger) error {
	var addresses []net.Addr
	for _, l := range listeners {
		addresses = append(addresses, l.Addr())
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	server := exporter.Server(e.Handler(addresses...))
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	for _, l := range listeners {
		running.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	drain, done := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer done()
	err := server.Shutdown(drain)
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return internal(err)
	}
	log.Info("stopped")
	return nil
}
