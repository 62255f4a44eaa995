// Package infra is the root of what makes a program of the parts: configuration, telemetry, the composition root, the
// command line, and the in-process RocketMQ. Nothing else imports it, main and tests excepted.
package infra
