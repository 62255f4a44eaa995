// Package functions is the root of the HTTP side: publish, stream, tick and admin are built, each an http.Handler of its own that
// meets the MQTT side only in meta/message and meta/access; web has what they have in common. Push, events and a console are not
// built yet. Health and metrics are served by infra/gateway.
package functions
