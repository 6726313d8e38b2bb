package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/flight"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/validator"
	"github.com/remora-network/remora/node/web"
)

// stopTime bounds a graceful stop. Nothing is lost when the process ends after it: what matters is durable before it is
// acknowledged.
const stopTime = 10 * time.Second

// flagClockOffset makes a node's clock wrong, for tests.
const flagClockOffset = "clock-offset"

func (p *program) runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run the node of a home",
		Flags: append(configFlags(),
			homeFlag(), passwordFlag(),
			&cli.DurationFlag{Name: flagFor, Hidden: true, Usage: "stop after this time"},
			&cli.DurationFlag{Name: flagClockOffset, Hidden: true, Usage: "add this to the wall clock; on dev chains only"}),
		Action: p.runHome,
	}
}

// configFlags returns a flag for every setting.
func configFlags() []cli.Flag {
	var flags []cli.Flag
	for _, s := range config.Settings() {
		flags = append(flags, &cli.StringFlag{Name: s.Flag(), Usage: s.Doc})
	}
	return flags
}

func nodeTuning(conf *config.Loaded, h *home.Home, log *slog.Logger) validator.Tuning {
	t := validator.Tuning{
		SealTicks: conf.Mempool.SealMillis / config.TickMillis,
		Pace:      mempool.Pace{Listen: conf.Mempool.ListenTicks()},
	}
	if mib := conf.Flight.LimitMiB; mib > 0 {
		t.Flight = flight.New(filepath.Join(h.Dir(), "flight"), int64(mib)<<20, log)
	}
	return t
}

// loadConfig reads a home's configuration with the environment and the command line above it.
func loadConfig(c *cli.Context, h *home.Home) (*config.Loaded, error) {
	flags := map[string]string{}
	for _, s := range config.Settings() {
		if c.IsSet(s.Flag()) {
			flags[s.Key] = c.String(s.Flag())
		}
	}
	return config.Load(config.Sources{File: h.ConfigPath(), Env: os.LookupEnv, Flags: flags})
}

func (p *program) runHome(c *cli.Context) error {
	h, err := home.Open(c.String(flagHome))
	if err != nil {
		return err
	}
	conf, err := loadConfig(c, h)
	if err != nil {
		return err
	}
	lock, err := h.Lock()
	if err != nil {
		return err
	}
	return errors.Join(p.serveNode(c, h, conf), lock.Release())
}

// serveNode runs the node while the lock is held.
func (p *program) serveNode(c *cli.Context, h *home.Home, conf *config.Loaded) error {
	log := p.newLogger(conf.Log)
	settings, err := p.nodeConfig(c, h, conf, log)
	if err != nil {
		return err
	}
	limitMemory(conf.Limits.MemoryMiB)
	n, err := node.New(settings)
	if err != nil {
		return err
	}
	api := home.API{RPC: "http://" + conf.RPC.Listen, Pid: os.Getpid()}
	if conf.Metrics.Listen != "" {
		api.Metrics = "http://" + conf.Metrics.Listen + "/metrics"
	}
	if err := h.Announce(api); err != nil {
		return errors.Join(err, n.Close())
	}
	log.Info("node starts", slog.String("chain", settings.Genesis.ChainID), slog.String("home", h.Dir()), slog.String("rpc", api.RPC), slog.String("version", version))
	warnPublic(log, conf)
	err = p.runUntilStopped(c, n)
	log.Info("node stopped")
	return errors.Join(err, n.Close(), h.Withdraw(), recordEnd(h, settings.Observer != "", err))
}

// nodeConfig returns the configuration of the node from its home, its settings and the command line.
func (p *program) nodeConfig(c *cli.Context, h *home.Home, conf *config.Loaded, log *slog.Logger) (node.Config, error) {
	genesis, err := h.Genesis()
	if err != nil {
		return node.Config{}, withGenesis(err)
	}
	keys, err := p.loadKeys(c, h.NodeKeyPath())
	if err != nil {
		return node.Config{}, err
	}
	signers, err := home.Parse(keys)
	if err != nil {
		return node.Config{}, err
	}
	roles, err := conf.Node.ParseRoles()
	if err != nil {
		return node.Config{}, err
	}
	settings := node.Config{
		Genesis: genesis, Keys: signers, Signing: h.SigningPath(), DataDir: h.DataDir(), Version: version, Logger: log,
		Name: conf.Node.Name, Roles: roles, Listen: conf.P2P.Listen, RPC: conf.RPC.Listen, Metrics: conf.Metrics.Listen,
		Bounds: clientBounds(conf.Limits), Gateway: conf.Gateway.Listen, Quota: uint64(conf.Content.QuotaMiB) << 20, Tuning: nodeTuning(conf, h, log),
		DiskFull:    func() { os.Exit(p.printError(fmt.Errorf("%q: %w", h.DataDir(), syscall.ENOSPC))) },
		ClockOffset: c.Duration(flagClockOffset),
	}
	if roles&remora.RoleValidator != 0 {
		settings.Observer, err = checkCrashLoop(h, log)
	} else {
		settings.Record, settings.ContentDir, err = contentNode(h, keys, conf, roles)
	}
	return settings, err
}

// clientBounds returns what the clients of one address may have. Three quarters of its connections may have a request in
// progress.
func clientBounds(l config.Limits) web.Bounds {
	return web.Bounds{
		Connections: l.Connections, Requests: l.Connections * 3 / 4, Waits: l.Waits, Subscriptions: l.Subscriptions,
		BodyBytes: int64(l.BodiesMiB) << 20,
	}
}

// limitMemory has the garbage collector work harder from some MiB on. That costs CPU where more is in use for long, and no
// more than half of it: the runtime stops there and lets the memory grow.
func limitMemory(mib int) {
	if mib > 0 {
		debug.SetMemoryLimit(int64(mib) << 20)
	}
}

// warnPublic warns of addresses that other machines can reach, since neither needs authentication.
func warnPublic(log *slog.Logger, conf *config.Loaded) {
	for _, address := range []string{conf.RPC.Listen, conf.Metrics.Listen} {
		host, _, err := net.SplitHostPort(address)
		if err != nil || host == "localhost" {
			continue // off, or loopback
		}
		if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
			log.Warn("other machines can reach this address; put a proxy or a firewall in front of it", slog.String("address", address))
		}
	}
}

// contentNode returns the record that a cache or gateway registers, and the directory of its content.
func contentNode(h *home.Home, keys *keystore.Keys, conf *config.Loaded, roles remora.Roles) (remora.Node, string, error) {
	listen := conf.RPC.Listen // for publishers that upload
	if roles&remora.RoleGateway != 0 {
		listen = conf.Gateway.Listen // for clients that fetch
	}
	web, err := transfer.WebMultiaddr(listen)
	if err != nil {
		return remora.Node{}, "", err
	}
	record, err := home.Record(keys, conf.Node.Name, roles, append(slices.Clone(conf.P2P.Listen), web))
	if err != nil {
		return record, "", err
	}
	dir := filepath.Join(h.Dir(), "content")
	return record, dir, os.MkdirAll(dir, 0o700)
}

// runUntilStopped runs the node until a signal, the end of --for, or its failure.
func (p *program) runUntilStopped(c *cli.Context, n *node.Node) error {
	ctx, cancel := context.WithCancel(c.Context)
	defer cancel()
	if d := c.Duration(flagFor); d > 0 {
		stop := time.AfterFunc(d, cancel)
		defer stop.Stop()
	}
	release := context.AfterFunc(ctx, func() {
		time.AfterFunc(stopTime, func() {
			p.printMessage("error STOP_TIMEOUT: the node did not stop within %s and is terminated\n", stopTime)
			os.Exit(exitFailed)
		})
	})
	defer release()
	err := n.Run(ctx)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// newLogger returns a logger that writes to stderr.
func (p *program) newLogger(l config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.SlogLevel()}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(p.err, options))
	}
	return slog.New(slog.NewTextHandler(p.err, options))
}

// withGenesis gives an error of a home's genesis its code, unless it has a more specific one.
func withGenesis(err error) error {
	if errors.Is(err, home.ErrNoGenesis) || errors.Is(err, home.ErrOtherChain) {
		return err
	}
	return withCode("GENESIS_INVALID", fmt.Errorf("home: %w", err))
}
