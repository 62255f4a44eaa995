package openapi

// webhooks are what the gateway sends to the URLs of push targets, one for each format, and to EVENTS_URL.
func (d *document) webhooks() {
	d.schemas["CloudEvent"] = structure("CloudEvents 1.0, JSON format.", []string{"specversion", "id", "source", "type", "subject", "time", "qos", "datacontenttype"}, object{
		"specversion": one("", "1.0"), "id": text("the same in each attempt"), "source": text("/mqtt, or /instances/ and the instance of an event"),
		"type": text("lmqgate.message, or lmqgate. and the type of an event"), "subject": text("the topic, or the client id of an event"), "time": moment("when it was published"),
		"qos": between(0, 2, ""), "datacontenttype": text(""), "responsetopic": text(""), "correlationdata": with(text(""), "contentEncoding", "base64"),
		"userproperties": with(text("pairs of name and value"), "contentMediaType", "application/json"),
		"data":           object{"description": "the payload, where it is text or JSON"}, "data_base64": with(text("any other payload"), "contentEncoding", "base64"),
	})
	d.schemas["PubSubPush"] = structure("As Google Cloud Pub/Sub pushes.", []string{"message", "subscription", "deliveryAttempt"}, object{
		"message": structure("", []string{"data", "attributes", "messageId", "message_id", "publishTime", "publish_time", "orderingKey"}, object{
			"data": with(text("the payload"), "contentEncoding", "base64"), "messageId": text(""), "message_id": text(""), "publishTime": moment(""), "publish_time": moment(""), "orderingKey": text("the topic"),
			"attributes": object{"type": "object", "additionalProperties": text(""), "description": "topic, qos, contentType and the user properties"},
		}),
		"subscription": text("projects/lmqgate/subscriptions/ and the target"), "deliveryAttempt": count(""),
	})
	d.schemas["Event"] = structure("What happened to a client. Fields that say nothing are left out.", []string{"type", "at", "instance", "client_id"}, object{
		"type": one("", "client.connected", "client.disconnected", "client.subscribed", "client.unsubscribed", "session.expired", "message.dropped"),
		"at":   moment(""), "instance": text(""), "client_id": text(""), "username": text(""), "address": text(""), "transport": one("", "ws", "tcp", "tls"),
		"protocol": text("version of MQTT"), "clean_start": boolean(""), "keep_alive": count("seconds"), "connected_at": moment(""), "reason_code": between(0, 255, "of MQTT 5.0"),
		"reason": text(""), "filters": list(text("")), "topic": text("of the last message dropped"), "count": count("messages dropped"),
	})
	need := func(name, description string) object {
		h := header(name, description, text(""))
		h["required"] = true
		return h
	}
	signed := []any{
		need("Webhook-Id", "the same in each attempt"), need("Webhook-Timestamp", "seconds since 1970, of the attempt"),
		header("Webhook-Signature", "Standard Webhooks: v1, and base64, by each of the secrets", text("")),
	}
	events := []any{
		need("Ce-Specversion", "1.0"), need("Ce-Id", ""), need("Ce-Source", ""), need("Ce-Type", ""), need("Ce-Subject", "the topic, percent-encoded"), need("Ce-Time", ""), need("Ce-Qos", ""),
		header("Ce-Responsetopic", "", text("")), header("Ce-Correlationdata", "", text("")), header("Ce-Userproperties", "JSON, percent-encoded", text("")),
	}
	anything := object{"schema": object{"type": "string", "format": "binary"}}
	hook := func(id, summary string, headers []any, content object) object {
		return object{"post": d.make(operation{
			id: id, tag: "push", summary: summary, params: append(append([]any{}, signed...), headers...), body: object{"content": content},
			answers: object{
				"2XX": object{"description": "taken; as pubsub 200, 201, 202 and 204 only"}, "410": object{"description": "nothing is sent any more until the target is written anew"},
				"429": object{"description": "not before Retry-After"}, "default": object{"description": "tried again"},
			},
		})}
	}
	d.hooks = object{
		"message":           hook("onMessage", "a message, cloudevents-binary", events, object{"*/*": anything}),
		"messageStructured": hook("onMessageStructured", "a message, cloudevents-structured", nil, object{"application/cloudevents+json": object{"schema": ref("CloudEvent")}}),
		"messagePubSub":     hook("onMessagePubSub", "a message, pubsub", nil, object{"application/json": object{"schema": ref("PubSubPush")}}),
		"messageRaw":        hook("onMessageRaw", "a message, raw", []any{need("Mqtt-Topic", "percent-encoded")}, object{"*/*": anything}),
		"event":             hook("onEvent", "an event, to EVENTS_URL", events, object{"application/json": object{"schema": ref("Event")}}),
	}
}
