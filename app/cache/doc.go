// Package cache is the service of a cache node: it holds the content that the chain assigns to it, takes uploads, and
// serves verified streams to gateways and other caches.
//
// [New] builds a [Service]; [Service.Handlers] answer other nodes and [Service.ServeHTTP] takes uploads as soon as it is
// built. [Service.Run] does the rest until its context ends:
//
//   - it pulls assigned content that is missing, and resumes after a restart;
//   - it stands in, ranking just behind the assigned caches, for those that fail;
//   - it removes, after an hour, content that is not registered or that enough caches of a better rank hold;
//   - it verifies everything on disk once a day.
//
// Promises: only registered content is accepted; an upload is acknowledged when it is durable; a piece is verified
// whenever it is received or sent; registered content is removed only when enough caches of a better rank have just
// confirmed that they hold it. Requests to other caches are bounded in number and size, and caches that start together do
// not ask together.
package cache
