package rocketmq

import (
	"fmt"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

// answerError is the error for an answer with a code that stands for failure. If access control refused the request it wraps
// ErrLogin or ErrPermission; nothing was done then.
func answerError(a *remoting.Command) error { return codeError(a.Code, a.Remark) }

func codeError(code int32, remark string) error {
	if refused := AccessError(code, remark); refused != nil {
		return fmt.Errorf("%w: code %d: %s", refused, code, remark)
	}
	return fmt.Errorf("code %d: %s", code, remark)
}

// Words in the remarks of access control, lower case. ACL 2.0 answers NoPermission, which brokers answer for other reasons
// too; ACL 1.0, of brokers before 5.3, answers SystemError with the name of its exception.
var (
	loginWords      = []string{"check signature failed", "username cannot be null", "accesskey", "signature validate failed"}
	permissionWords = []string{"has no permission to access", "no default permission", "need admin permission", "aclexception"}
)

// AccessError is ErrLogin or ErrPermission if access control refused the request, else nil.
func AccessError(code int32, remark string) error {
	remark = strings.ToLower(remark)
	switch {
	case code == remoting.SystemError && !strings.Contains(remark, "aclexception"), code != remoting.SystemError && code != remoting.NoPermission:
		return nil
	case containsAny(remark, loginWords), strings.HasPrefix(remark, "user:") && containsAny(remark, []string{"not found.", "is disabled."}):
		return ErrLogin
	case containsAny(remark, permissionWords):
		return ErrPermission
	}
	return nil
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}
