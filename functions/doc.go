// Package functions is the root of the HTTP side: publish, stream, tick, admin and console are built, each an http.Handler of its own that
// meets the MQTT side only in meta/message and meta/access; web has what they have in common. Push and events are not
// built yet. Health and metrics are served by infra/gateway.
package functions
