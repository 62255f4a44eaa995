// Package functions is the root of the HTTP side: tick, publish, stream, push, events, admin and console, each an
// http.Handler of its own that meets the MQTT side only in meta/message and meta/access. Only tick is built yet; health
// and metrics are served by infra/gateway.
package functions
