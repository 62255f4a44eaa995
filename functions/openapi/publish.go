package openapi

// callerProblems are those of everything that callers may do.
var callerProblems = []int{400, 401, 403, 429, 500, 503}

func (d *document) publish() {
	d.tag("publish", "Messages to MQTT topics. Success is answered only after the broker has acknowledged the message and a retained one is kept.")
	user := []any{header("X-Mqtt-Client-Id", "the MQTT client id to be seen as, for logins that bind one", text(""))}
	key := header("Idempotency-Key", "a request with the same key is carried out once, within 24 hours", with(with(text(""), "minLength", 1), "maxLength", 255))
	problems := append([]int{409, 413, 415, 422, 507}, callerProblems...)
	d.schemas["Published"] = structure("", []string{"message_id", "topic", "queues"}, object{
		"message_id": text("the UNIQ_KEY in RocketMQ"), "topic": text(""), "queues": count("light message queues that it went to; 0: nobody subscribes"),
	})
	d.schemas["Message"] = taken("", []string{"topic"}, object{
		"topic":      text("without wildcards"),
		"payload":    object{"description": "a string; any other JSON value stands for its own text"},
		"encoding":   one("of a string", "plain", "base64"),
		"qos":        with(between(0, 2, "0: no failure is made good"), "default", 1),
		"retain":     with(boolean("keep it for later subscribers; an empty payload deletes what is kept"), "default", false),
		"properties": ref("Properties"),
	})
	d.schemas["Properties"] = taken("Those of MQTT 5.0.", nil, object{
		"content_type": text(""), "response_topic": text(""), "correlation_data": with(text(""), "contentEncoding", "base64"),
		"expiry": between(0, 1<<32-1, "seconds"), "user_properties": with(list(pair()), "maxItems", 100),
	})
	done := object{"message_id": "7F00000100002A9F0000000000000001", "topic": "chat/room1", "queues": 1}
	answers := object{
		"200": says("published, and acknowledged by the broker", ref("Published"), done),
		"202": says("handed on with QoS 0", ref("Published"), done),
	}
	raw := d.make(operation{
		id: "publishRaw", tag: "publish", summary: "publish the body", security: d.callers(),
		text:    "The body is the payload, its Content-Type the content type, each header `X-Mqtt-User-Name` a user property `name`.",
		answers: answers, problems: problems,
		params: append([]any{
			key, query("qos", "", with(between(0, 2, ""), "default", 1)), query("retain", "", boolean("")), query("expiry", "seconds", between(0, 1<<32-1, "")),
			query("content_type", "in the place of the header", text("")), query("response_topic", "", text("")), query("correlation_data", "", with(text(""), "contentEncoding", "base64")),
			query("user_property", "name=value; several are possible", list(with(text(""), "pattern", "="))),
		}, user...),
		body: object{"required": false, "content": object{"*/*": object{"schema": object{"type": "string", "format": "binary"}}}},
	})
	d.path("/v1/topics/{topic}", []any{segment("topic", "of any number of levels: slashes stand as they are, or as %2F", "chat/room1")}, object{"post": raw})
	message := object{"topic": "chat/room1", "payload": "hello", "qos": 1, "properties": object{"user_properties": []any{[]any{"from", "curl"}}}}
	d.path("/v1/publish", nil, object{"post": d.make(operation{
		id: "publish", tag: "publish", summary: "publish one message", security: d.callers(), params: append([]any{key}, user...),
		body: sends(ref("Message"), message), answers: answers, problems: problems,
	})})
	d.schemas["BatchResult"] = structure("", []string{"results", "failed"}, object{
		"results": list(ref("BatchItem")), "failed": count("how many have a problem"),
	})
	d.schemas["BatchItem"] = structure("The result of one message, or the problem with it.", nil, object{
		"message_id": text(""), "topic": text(""), "queues": count(""), "problem": ref("Problem"),
	})
	results := object{"results": []any{done, object{"problem": object{"type": "urn:lmqgate:problem:topic", "title": "Bad Request", "status": 400}}}, "failed": 1}
	d.path("/v1/publish/batch", nil, object{"post": d.make(operation{
		id: "publishBatch", tag: "publish", summary: "publish several messages", security: d.callers(), params: append([]any{key}, user...),
		text: "Those of one topic are sent in their order; behind one that is to be repeated no other one of its topic is sent.",
		body: sends(taken("", []string{"messages"}, object{"messages": with(with(list(ref("Message")), "minItems", 1), "maxItems", 100)}), object{"messages": []any{message}}),
		answers: object{
			"200": says("all are published", ref("BatchResult")),
			"207": says("some are not", ref("BatchResult"), results),
		},
		problems: problems,
	})})
}

// pair is a user property.
func pair() object {
	return with(with(list(text("")), "minItems", 2), "maxItems", 2)
}
