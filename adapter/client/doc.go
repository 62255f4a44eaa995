// Package client is one connected MQTT client: the protocol state machine from CONNECT to the end of the connection.
//
// A connection has one goroutine, which reads and handles packets one after the other. Bytes to the client gather in a
// buffer that a goroutine of its own writes while there are any; an idle connection has neither. Everything that the
// package needs from its siblings comes through the interfaces in deps.go.
//
// Locks: client.mu and output.mu are leaves with respect to each other; neither is held while a dependency is called,
// except that deliver calls Send and Full under its session lock.
package client
