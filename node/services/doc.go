// Package services runs the content services of a cache or a gateway, beside the follower that keeps its chain: the store of
// content, the services of app over it, the node's entry in the registry, and the node's own transactions.
//
// New opens the content directory and builds the services; the host and the API then serve Handlers, Uploads and Sales.
// OpenGateway takes a gateway's address. Loops returns the goroutines to start, and Close releases the files after they
// have ended. The services of app see the chain through chain and deliveries, each call at the newest block.
package services
