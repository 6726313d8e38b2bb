package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/keystore"
	"github.com/remora-network/remora/node/config"
	"github.com/remora-network/remora/node/home"
)

// made is the summary of a new home: the answer of init, and the input of genesis create.
type made struct {
	Home    string         `json:"home"`
	Account remora.Address `json:"account"`
	Node    remora.Node    `json:"node"` // for the genesis file or a registration
	ChainID string         `json:"chain_id,omitempty"`
	Genesis string         `json:"genesis,omitempty"` // hash
}

func (p *program) initCommand() *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "create the home of a node: keys, configuration, genesis",
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "name", Required: true, Usage: "the node's name on the chain: a-z, 0-9, dot and hyphen"},
			genesisFlag(),
			&cli.StringFlag{Name: "advertise", Usage: "comma-separated multiaddrs at which other nodes reach this one (default: those it listens on)"},
			&cli.StringFlag{Name: "p2p-listen", Usage: "comma-separated multiaddrs to listen on"},
			passwordFlag(), outputFlag(),
		},
		Action: withOutput(p.createHome),
	}
}

func (p *program) createHome(c *cli.Context, asJSON bool) error {
	content := home.Content{}
	var err error
	if content.Password, err = p.readPassword(c); err != nil {
		return err
	}
	settings := map[string]string{}
	listen := config.Default().P2P.Listen
	if c.IsSet("p2p-listen") {
		settings["p2p.listen"] = c.String("p2p-listen")
		listen = strings.Split(settings["p2p.listen"], ",")
	}
	if content.Config, err = config.Render(settings); err != nil {
		return newUsageError("%v", err)
	}
	if c.IsSet("advertise") {
		listen = strings.Split(c.String("advertise"), ",")
	}
	if content.Keys, err = home.NewKeys(keystore.KindNode); err != nil {
		return err
	}
	content.Signing = home.NewSigning(content.Keys)
	record, err := home.Record(content.Keys, c.String("name"), remora.RoleValidator, listen)
	if err != nil {
		return newUsageError("%v", err)
	}
	if path := c.String(flagGenesis); path != "" {
		if content.Genesis, err = readGenesis(path); err != nil {
			return err
		}
	}
	h, err := home.Create(c.String(flagHome), content)
	if err != nil {
		return err
	}
	doc := made{Home: h.Dir(), Account: content.Keys.Public.Account, Node: record}
	if content.Genesis != nil {
		doc.ChainID, doc.Genesis = content.Genesis.ChainID, content.Genesis.Hash().String()
	}
	return p.printAnswer(asJSON, doc, describeHome(&doc))
}

func describeHome(doc *made) string {
	record, err := json.MarshalIndent(doc.Node, "", "  ")
	if err != nil {
		return err.Error()
	}
	next := "remora run --home " + doc.Home
	if doc.Genesis == "" {
		next = "put the chain's genesis.json into the home, then " + next
	}
	return fmt.Sprintf("home     %s\naccount  %s\nchain    %s\nnext     %s\n\nThe node's record, for a genesis or a registration:\n%s",
		doc.Home, doc.Account, dashIfEmpty(doc.ChainID), next, record)
}

func dashIfEmpty(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// readGenesis reads a genesis file. The error lists all that is wrong.
func readGenesis(path string) (*remora.Genesis, error) {
	g, err := home.ReadGenesis(path)
	if err != nil {
		return nil, withCode("GENESIS_INVALID", err)
	}
	return g, nil
}
