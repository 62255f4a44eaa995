package minimq

import (
	"strconv"

	"lmqgate/adapter/rocketmq/remoting"
)

// args reads the ext fields of a request. The first field that is missing, or is
// no number, where RocketMQ would run into a NullPointerException, is remembered:
// RocketMQ answers such a request with code 1.
type args struct {
	ext map[string]string
	bad string
}

func (a *args) fail(key string) {
	if a.bad == "" {
		a.bad = key
	}
}

// str returns a required field.
func (a *args) str(key string) string {
	v, ok := a.ext[key]
	if !ok {
		a.fail(key)
	}
	return v
}

// int returns a required number.
func (a *args) int(key string) int64 {
	n, err := strconv.ParseInt(a.ext[key], 10, 64)
	if err != nil {
		a.fail(key)
	}
	return n
}

// int32 returns a required number of 32 bits.
func (a *args) int32(key string) int32 {
	n, err := strconv.ParseInt(a.ext[key], 10, 32)
	if err != nil {
		a.fail(key)
	}
	return int32(n)
}

// opt returns a number, or d if it is missing or none.
func (a *args) opt(key string, d int64) int64 {
	if n, err := strconv.ParseInt(a.ext[key], 10, 64); err == nil {
		return n
	}
	return d
}

func (a *args) bool(key string) bool { return a.ext[key] == "true" }

// err is the answer to a request that lacks a field; nil if it lacks none.
func (a *args) err() *remoting.Command {
	if a.bad == "" {
		return nil
	}
	return answer(remoting.SystemError,
		"java.lang.NullPointerException: the custom field <"+a.bad+"> is null")
}

// answer returns a response with a code, a remark and no fields.
func answer(code int32, remark string) *remoting.Command {
	return &remoting.Command{Code: code, Remark: remark}
}

// ok returns a successful response with fields, given as key, value, ...
func ok(fields ...string) *remoting.Command {
	c := &remoting.Command{Code: remoting.Success}
	if len(fields) > 0 {
		c.Ext = make(map[string]string, len(fields)/2)
		for i := 0; i+1 < len(fields); i += 2 {
			c.Ext[fields[i]] = fields[i+1]
		}
	}
	return c
}

func itoa[T ~int | ~int32 | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }
