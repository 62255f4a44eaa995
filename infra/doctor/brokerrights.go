package doctor

import (
	"context"
	"errors"
	"strings"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/config"
)

// Names that rights are tried with; nobody has messages or offsets there.
const (
	trialGroup = rocketmq.LMQPrefix + "lmqgate-doctor"
	trialRetry = "%RETRY%" + trialGroup + "_" + rocketmq.CanaryLMQ
)

// rightsTrials are requests that change nothing where they are allowed, one for each right that a message through the broker does not
// need. Deleting, of what is not there, is left out without writes.
func rightsTrials(fallback string, writes bool) []*remoting.Command {
	ask := func(code int32, fields ...string) *remoting.Command {
		ext := map[string]string{}
		for i := 0; i+1 < len(fields); i += 2 {
			ext[fields[i]] = fields[i+1]
		}
		return remoting.NewRequest(code, ext, nil)
	}
	all := []*remoting.Command{
		ask(remoting.GetMaxOffset, "topic", rocketmq.CanaryLMQ, "queueId", "0"),
		ask(remoting.GetMaxOffset, "topic", trialRetry, "queueId", "0"),
		ask(remoting.QueryConsumerOffset, "consumerGroup", trialGroup, "topic", rocketmq.CanaryLMQ, "queueId", "0", "setZeroIfNotFound", "false"),
		ask(remoting.QueryMessage, "topic", fallback, "key", "lmqgate-doctor", "maxNum", "1", "beginTimestamp", "0", "endTimestamp", "1"),
	}
	if writes {
		all = append(all, ask(remoting.DeleteTopicInBroker, "topic", trialRetry),
			ask(remoting.DeleteSubscriptionGroup, "groupName", trialGroup, "cleanOffset", "true"))
	}
	return all
}

// examineRights tries what the user of ROCKETMQ_ACCESS_KEY may do; it arises only with one.
func examineRights(ctx context.Context, conn caller, cfg *config.Config, writes bool) (Finding, bool) {
	if cfg.RocketMQAccessKey == "" {
		return Finding{}, false
	}
	var missing []string
	for _, req := range rightsTrials(cfg.FallbackTopic, writes) {
		answer, err := conn.Do(ctx, req)
		if err != nil {
			return warning("look at its load", "not all rights could be tried: %v", err), true
		}
		if no := (refusal{answer.Code, answer.Remark}); errors.Is(no, rocketmq.ErrPermission) {
			missing = append(missing, answer.Remark)
		}
	}
	if len(missing) > 0 {
		_, remedy := explainSecured(rocketmq.ErrPermission)
		return failure(remedy, "access control refuses what the gateway needs: %s", strings.Join(missing, "; ")), true
	}
	return fine("the user of ROCKETMQ_ACCESS_KEY may do what was tried"), true
}
