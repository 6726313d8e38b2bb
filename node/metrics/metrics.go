// Package metrics serves the figures of a node to Prometheus, at /metrics of a port of its own, and what it is given beside
// them: the node's health, which clients of the API cannot keep from being answered here. [New] takes the figures and
// binds the address; [Server.Run] serves until its context ends. Figures are read at every scrape, from any goroutine. At
// most four scrapes run at a time.
package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Figure is a number that a node exports.
type Figure struct {
	Name    string // without the prefix remora_
	Help    string
	Counter bool // never decreases
	Value   func() float64
}

// Series are counters of one name that differ by their labels. Values calls add for each, with a value for every label; it
// is bounded by whoever counts.
type Series struct {
	Name, Help string // Name without the prefix remora_
	Labels     []string
	Values     func(add func(value float64, labels ...string))
}

// seriesCollector reads series at every scrape.
type seriesCollector struct {
	Series
	description *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c seriesCollector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.description
}

// Collect implements prometheus.Collector.
func (c seriesCollector) Collect(found chan<- prometheus.Metric) {
	c.Values(func(value float64, labels ...string) {
		found <- prometheus.MustNewConstMetric(c.description, prometheus.CounterValue, value, labels...)
	})
}

// Server serves /metrics.
type Server struct {
	http   *http.Server
	listen net.Listener
}

// New binds a host:port. Paths other than /metrics are for health. The caller calls Run, which releases it.
func New(address string, figures []Figure, health http.Handler, series ...Series) (*Server, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, f := range figures {
		if err := registry.Register(f.newCollector()); err != nil {
			return nil, fmt.Errorf("metric %s: %w", f.Name, err)
		}
	}
	for _, s := range series {
		description := prometheus.NewDesc("remora_"+s.Name, s.Help, s.Labels, nil)
		if err := registry.Register(seriesCollector{s, description}); err != nil {
			return nil, fmt.Errorf("metric %s: %w", s.Name, err)
		}
	}
	listen, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics on %s: %w; choose another [metrics] listen", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 5 * time.Second}))
	mux.Handle("/", health)
	return &Server{listen: listen, http: &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, WriteTimeout: 20 * time.Second, MaxHeaderBytes: 16 << 10,
	}}, nil
}

func (f Figure) newCollector() prometheus.Collector {
	if f.Counter {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "remora", Name: f.Name, Help: f.Help}, f.Value)
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "remora", Name: f.Name, Help: f.Help}, f.Value)
}

// Addr returns the bound address.
func (s *Server) Addr() net.Addr { return s.listen.Addr() }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listen); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics server: %w", err)
	}
	return nil
}
