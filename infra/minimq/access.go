package minimq

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// User may do at brokers what Rules allow. Name and Secret are the access key and the secret key of its requests.
type User struct {
	Name, Secret string
	Super        bool // may do everything
	Rules        []Rule
}

// Rule allows Actions on resources, as `mqadmin createAcl -r ... -a ... -d Allow` does: the resource is Topic or Group, a
// colon and a name, or the beginning of names and "*".
type Rule struct {
	Resource string
	Actions  []string // Pub, Sub, Create, Update, Delete, Get, List
}

// Allow makes a Rule from a resource and a comma list of actions.
func Allow(resource, actions string) Rule { return Rule{resource, strings.Split(actions, ",")} }

// covers tells whether the rule allows one of the actions on a resource: one is enough, as in RocketMQ.
func (r Rule) covers(resource string, actions []string) bool {
	begin, prefix := strings.CutSuffix(r.Resource, "*")
	if prefix && !strings.HasPrefix(resource, begin) || !prefix && resource != r.Resource {
		return false
	}
	return slices.ContainsFunc(actions, func(a string) bool { return slices.Contains(r.Actions, a) })
}

// accessTable is who may do what at the brokers of a server. RocketMQ keeps users at each broker; its name servers ask
// nobody.
type accessTable struct {
	mu    sync.Mutex // protects users
	users []User     // none: access control is off
}

// SetUsers replaces the users. Without any, access control is off. The next request of a connection that stands is judged by
// the new ones.
func (s *Server) SetUsers(users ...User) {
	s.access.mu.Lock()
	defer s.access.mu.Unlock()
	s.access.users = slices.Clone(users)
}

// refuses says why a request is refused, in the words of ACL 2.0 (authenticationEnabled and authorizationEnabled); "" if
// it is not.
func (t *accessTable) refuses(c *conn, req *remoting.Command) string {
	t.mu.Lock()
	users := t.users
	t.mu.Unlock()
	if len(users) == 0 {
		return ""
	}
	name := req.Ext[remoting.FieldAccessKey]
	if name == "" {
		return "username cannot be null."
	}
	at := slices.IndexFunc(users, func(u User) bool { return u.Name == name })
	if at < 0 {
		return "User:" + name + " is not found."
	}
	user := users[at]
	signed := remoting.Sign(remoting.Credentials{AccessKey: user.Name, SecretKey: user.Secret}, req.Ext, req.Body)
	if signed[remoting.FieldSignature] != req.Ext[remoting.FieldSignature] {
		return "check signature failed."
	}
	if user.Super {
		return ""
	}
	for _, n := range needed(req) {
		if !slices.ContainsFunc(user.Rules, func(r Rule) bool { return r.covers(n.resource, n.actions) }) {
			return "User:" + name + " has no permission to access " + n.resource + " from " + c.remote.Addr().String() + ", no matched policies."
		}
	}
	return ""
}

// need is one of some actions on a resource.
type need struct {
	resource string
	actions  []string
}

// onGroup is a need of a group, or of the group that a retry topic is of.
func onGroup(name string, actions ...string) need {
	return need{"Group:" + strings.TrimPrefix(name, store.RetryPrefix), actions}
}

// onTopic is a need of a topic; a retry topic is its group's.
func onTopic(name string, actions ...string) need {
	if strings.HasPrefix(name, store.RetryPrefix) {
		return onGroup(name, actions...)
	}
	return need{"Topic:" + name, actions}
}

// both are needs of a consumer group and of a topic; retry topics need nothing of their own.
func both(ext map[string]string, actions ...string) []need {
	all := []need{onGroup(ext["consumerGroup"], actions...)}
	if topic := ext["topic"]; !strings.HasPrefix(topic, store.RetryPrefix) {
		all = append([]need{onTopic(topic, actions...)}, all...)
	}
	return all
}

// needed is what a request needs, as DefaultAuthorizationContextBuilder of RocketMQ 5.4.0 has it. Requests that are not
// named need a login only.
func needed(req *remoting.Command) []need {
	ext := req.Ext
	switch req.Code {
	case remoting.SendMessage:
		return []need{sending(ext["topic"])}
	case remoting.SendMessageV2, remoting.SendBatchMessage:
		return []need{sending(ext["b"])}
	case remoting.ConsumerSendMsgBack:
		return []need{onGroup(ext["group"], "Sub")}
	case remoting.PullMessage:
		return both(ext, "Sub")
	case remoting.QueryMessage:
		return []need{{"Topic:" + ext["topic"], []string{"Sub", "Get"}}}
	case remoting.QueryConsumerOffset:
		return both(ext, "Sub", "Get")
	case remoting.UpdateConsumerOffset:
		return both(ext, "Sub", "Update")
	case remoting.PopMessage, remoting.AckMessage, remoting.ChangeMessageInvisibleTime:
		return []need{onGroup(ext["consumerGroup"], "Sub"), onTopic(ext["topic"], "Sub")}
	case remoting.HeartBeat:
		return beating(req.Body)
	case remoting.UnregisterClient:
		if ext["consumerGroup"] == "" {
			return nil
		}
		return []need{onGroup(ext["consumerGroup"], "Sub")}
	case remoting.GetConsumerListByGroup:
		return []need{onGroup(ext["consumerGroup"], "Sub", "Get")}
	case codeLockBatch, codeUnlockBatch:
		return locking(req.Body)
	}
	return administering(req.Code, ext)
}

func sending(topic string) need {
	if strings.HasPrefix(topic, store.RetryPrefix) {
		return onGroup(topic, "Sub")
	}
	return onTopic(topic, "Pub")
}

func beating(body []byte) []need {
	beat, err := remoting.DecodeHeartbeat(body)
	if err != nil {
		return nil // nor is it served
	}
	var all []need
	for _, g := range beat.Consumers {
		all = append(all, onGroup(g.Name, "Sub"))
		for _, s := range g.Subscriptions {
			if !strings.HasPrefix(s.Topic, store.RetryPrefix) {
				all = append(all, onTopic(s.Topic, "Sub"))
			}
		}
	}
	return all
}

func locking(body []byte) []need {
	var lock lockBody
	if json.Unmarshal(body, &lock) != nil {
		return nil
	}
	all := []need{onGroup(lock.Group, "Sub")}
	for _, q := range lock.Queues {
		if !strings.HasPrefix(q.Topic, store.RetryPrefix) {
			all = append(all, onTopic(q.Topic, "Sub"))
		}
	}
	return all
}

func administering(code int32, ext map[string]string) []need {
	switch code {
	case remoting.GetMaxOffset, remoting.GetMinOffset, remoting.SearchOffsetByTimestamp, remoting.GetEarliestMsgStoreTime, codeGetTopicConfig:
		return []need{onTopic(ext["topic"], "Get")}
	case remoting.UpdateAndCreateTopic:
		return []need{onTopic(ext["topic"], "Create")}
	case remoting.DeleteTopicInBroker:
		return []need{onTopic(ext["topic"], "Delete")}
	case codeDeleteGroup:
		return []need{onGroup(ext["groupName"], "Delete")}
	case codeGetGroupConfig:
		return []need{onGroup(ext["group"], "Get")}
	}
	return nil
}
