package message

import "lmqgate/meta/topic"

// Mount puts a message of a client's, whose topic is valid, into its topic space. A response topic that cannot be there is left
// out: nobody could answer. With an error the message is as it was.
func (m *Message) Mount(space topic.Space) error {
	if !space.Mounts() {
		return nil
	}
	name, err := space.Mount(m.Topic)
	if err != nil {
		return err
	}
	m.Topic = name
	m.Properties.ResponseTopic, _ = space.Mount(m.Properties.ResponseTopic)
	return nil
}

// In is the message as clients of a tenant see it: name is its topic taken out of their space. The response topic is taken out too,
// or left out where it is another's: they could not answer there. Payload and properties are shared with m.
func (m *Message) In(space topic.Space, name string) *Message {
	own := *m
	own.Topic = name
	own.Properties.ResponseTopic, _ = space.Unmount(own.Properties.ResponseTopic)
	return &own
}
