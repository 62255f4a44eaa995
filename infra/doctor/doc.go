// Package doctor examines what a gateway needs, as somebody on call would: its environment, Redis, and RocketMQ's name
// servers and brokers. Each finding is OK, WARN or FAIL and says what to do. `lmqgate doctor` prints them; the gateway's
// start-up log and readiness take their words from here.
package doctor
