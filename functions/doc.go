// Package functions is the root of the HTTP side: publish, stream, push, events, admin and console, each an
// http.Handler of its own that meets the MQTT side only in meta/message and meta/access. None is built yet; health and
// metrics are served by infra/gateway.
package functions
