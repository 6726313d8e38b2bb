package web

import (
	"context"
	"errors"
	"math"
	"net/http"

	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/limits"
)

type clientKey struct{}

// unbounded is the budget of requests that no Server took.
var unbounded = limits.NewBodies(math.MaxInt64, math.MaxInt64, limits.ClientPace)

// Client is who sent a request. It belongs to the request's handler: a connection has one request at a time. A nil Client,
// of requests that no Server took, has no limits.
type Client struct {
	server *Server
	conn   *conn
	places []*limits.Slots // that the request in progress has
	bodies []func()        // what gives their room back
}

// ClientOf returns the client of a request with that context, nil if no Server took it.
func ClientOf(ctx context.Context) *Client {
	c, _ := ctx.Value(clientKey{}).(*Client)
	return c
}

// Owner returns the name under which the client's address has its places.
func (c *Client) Owner() string {
	if c == nil {
		return ""
	}
	return c.conn.owner
}

// OnLoopback reports whether the client reached a listener that is bound to loopback.
func (c *Client) OnLoopback() bool { return c != nil && c.server.loopback }

// TakeWait takes a place to wait in until release is called, and gives up the request's place: an address may have many
// requests that wait.
func (c *Client) TakeWait() (release func(), ok bool) {
	return c.takePlace("waits", func(s *Server) *limits.Slots { return s.waits })
}

// TakeSubscription is TakeWait for a stream.
func (c *Client) TakeSubscription() (release func(), ok bool) {
	return c.takePlace("subscriptions", func(s *Server) *limits.Slots { return s.subscriptions })
}

func (c *Client) takePlace(what string, of func(*Server) *limits.Slots) (release func(), ok bool) {
	if c == nil {
		return func() {}, true
	}
	slots := of(c.server)
	if !slots.TakeSlots(c.conn.owner, 1) {
		c.server.recordHit(what, c.conn.owner)
		return nil, false
	}
	for _, place := range c.places {
		place.ReleaseSlots(c.conn.owner, 1)
	}
	c.places = c.places[:0]
	return func() { slots.ReleaseSlots(c.conn.owner, 1) }, true
}

// ReadBody reads the body of a request of at most limit bytes, within the budget of the listener and at the pace of clients.
// The room is given back when the request is answered.
func (c *Client) ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if c == nil {
		body, _, err := unbounded.ReadBody(w, r, "", limit)
		return body, err
	}
	body, release, err := c.server.bodies.ReadBody(w, r, c.conn.owner, limit)
	c.bodies = append(c.bodies, release)
	if errors.Is(err, limits.ErrNoRoom) {
		c.server.recordHit("body bytes", c.conn.owner)
	}
	return body, err
}

// leavePlaces gives back what the request had.
func (c *Client) leavePlaces() {
	for _, place := range c.places {
		place.ReleaseSlots(c.conn.owner, 1)
	}
	for _, release := range c.bodies {
		release()
	}
	c.places, c.bodies = c.places[:0], c.bodies[:0]
}

// BusyError is the answer to a client for which there is no place.
func BusyError(what string) *client.Error {
	return &client.Error{
		Status: http.StatusTooManyRequests, Code: client.CodeServerBusy,
		Message: "too many " + what + " of this address, or of all together: come back later",
	}
}
