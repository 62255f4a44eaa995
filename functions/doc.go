// Package functions is the root of the HTTP side: publish, stream, push, tick, admin and console, each an http.Handler of its own that
// meets the MQTT side only in meta/message and meta/access; web has what they have in common, openapi describes them. Health and
// metrics are served by infra/gateway.
package functions
