package config

import "testing"

func TestClientURL(t *testing.T) {
	if got := ClientURL([]string{"LMQGATE_URL= tcp://h:1883 "}); got != "tcp://h:1883" {
		t.Errorf("ClientURL = %q", got)
	}
	if got := ClientURL([]string{"LMQGATE_URL="}); got != DefaultClientURL {
		t.Errorf("ClientURL = %q", got)
	}
}
