package rocketmq_test

import (
	"errors"
	"testing"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

// TestAccessError: remarks of access control, as RocketMQ 5.4.0, 5.3.3 and (the last three) 4.9 and 5.1 word them, and others of
// the same codes.
func TestAccessError(t *testing.T) {
	for _, tt := range []struct {
		code   int32
		remark string
		want   error
	}{
		{remoting.NoPermission, "check signature failed.", rocketmq.ErrLogin},
		{remoting.NoPermission, "User:nobody is not found.", rocketmq.ErrLogin},
		{remoting.NoPermission, "User:nobody not found.", rocketmq.ErrLogin},
		{remoting.NoPermission, "User:gate is disabled.", rocketmq.ErrLogin},
		{remoting.NoPermission, "username cannot be null.", rocketmq.ErrLogin},
		{remoting.NoPermission, "User:gate has no permission to access Topic:found. from 127.0.0.1, no matched policies.", rocketmq.ErrPermission},
		{remoting.NoPermission, "User:gate has no permission to access Group:%LMQ%g from 127.0.0.1, the decision is deny.", rocketmq.ErrPermission},
		{remoting.NoPermission, "Sending message to topic[t] is forbidden.", nil},
		{remoting.NoPermission, "the broker[127.0.0.1] sending message is forbidden", nil},
		{remoting.SystemError, "check signature failed.", nil},
		{remoting.SystemBusy, "User:gate has no permission to access Topic:t", nil},
		{remoting.Success, "", nil},
		{remoting.SystemError, "org.apache.rocketmq.acl.common.AclException: Check signature failed for accessKey=k, org...", rocketmq.ErrLogin},
		{remoting.SystemError, "org.apache.rocketmq.acl.common.AclException: No acl config for gate, org...", rocketmq.ErrPermission},
		{remoting.SystemError, "org.apache.rocketmq.acl.common.AclException: No default permission for t, org...", rocketmq.ErrPermission},
	} {
		if got := rocketmq.AccessError(tt.code, tt.remark); !errors.Is(got, tt.want) || got != nil && tt.want == nil {
			t.Errorf("%d %s: %v, want %v", tt.code, tt.remark, got, tt.want)
		}
	}
}
