// Package e2e tests the built binary from outside: processes, sockets, real clients. It imports nothing of the gateway but
// the MQTT codec, with which its clients misbehave on purpose, and the in-process RocketMQ.
//
// Every test runs on one or more backends:
//
//	embedded  one instance, nothing configured
//	mini      instances that share a Redis and a RocketMQ inside the test process: runs everywhere
//	real      instances that share LMQGATE_TEST_REDIS (redis://host:port) and LMQGATE_TEST_NAMESRV (host:port); skipped
//	          without them. `go run ./e2e/parts/cmd/with-real go test ./e2e/` sets both.
//
// LMQGATE_TEST_BACKENDS chooses among mini and real. TestBrokers has RocketMQ servers of its own, of other kinds.
//
// -short makes the tests small, LMQGATE_TEST_LONG=1 makes them thorough. Random choices come from a seed that is printed;
// LMQGATE_TEST_SEED repeats it. LMQGATE_TEST_SCREENSHOTS names a folder that pictures of the console are left in. The instances are built with the race detector where the machine has a C compiler;
// a data race or a panic in the log of an instance fails the test that ran it.
package e2e
