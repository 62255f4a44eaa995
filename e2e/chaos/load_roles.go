package chaos

import "lmqgate/adapter/packet"

// publisher publishes with all QoS, to plain and to shared subscriptions; now and then its connection breaks.
func (l *Load) publisher(c *client, _ <-chan struct{}) {
	for l.pause(c, 1) {
		l.back(c)
		kind := "t"
		if c.random(4) == 0 {
			kind = "s"
		}
		c.publish(l.topic(c, kind), byte(c.random(3)), false, false)
		switch c.random(400) {
		case 0:
			c.cut()
		case 1:
			c.connect() // takes over from the connection that stands
		case 2:
			c.goodbye(packet.Success)
		}
	}
}

// wanderer stays subscribed and changes its connection in every way there is.
func (l *Load) wanderer(c *client, _ <-chan struct{}) {
	for l.pause(c, 10) {
		l.back(c)
		switch c.random(12) {
		case 0, 1:
			c.cut()
		case 2:
			c.connect()
		case 3:
			c.goodbye(packet.Success)
			l.pause(c, 10) // away for a while
		}
	}
}

// stayer keeps its connection.
func (l *Load) stayer(c *client, _ <-chan struct{}) {
	for l.pause(c, 2) {
		l.back(c)
	}
}

// guest has a session for each connection.
func (l *Load) guest(c *client, _ <-chan struct{}) {
	for l.pause(c, 10) {
		l.back(c)
		switch c.random(10) {
		case 0:
			c.cut()
		case 1:
			c.goodbye(packet.Success)
		default:
			c.subscribe(l.opt.Root+"/t/#", 2)
		}
	}
}

// rover subscribes and unsubscribes.
func (l *Load) rover(c *client, _ <-chan struct{}) {
	for l.pause(c, 6) {
		l.back(c)
		f := l.topic(c, "t")
		switch c.random(8) {
		case 0:
			c.cut()
		case 1, 2, 3:
			c.unsubscribe(f)
		default:
			c.subscribe(f, byte(1+c.random(2)))
		}
	}
}

// keeper writes and removes retained messages, and reads them.
func (l *Load) keeper(c *client, _ <-chan struct{}) {
	for l.pause(c, 4) {
		l.back(c)
		switch c.random(30) {
		case 0:
			c.cut()
		case 1:
			c.subscribe(l.opt.Root+"/r/#", 1)
		case 2:
			c.unsubscribe(l.opt.Root + "/r/#")
		default:
			c.publish(l.topic(c, "r"), byte(1+c.random(2)), true, c.random(4) == 0)
		}
	}
}

// mortal leaves wills, or takes them with it.
func (l *Load) mortal(c *client, _ <-chan struct{}) {
	for l.pause(c, 12) {
		l.back(c)
		switch c.random(4) {
		case 0:
			c.cut()
			l.pause(c, 20)
		case 1:
			c.goodbye(packet.Success)
		case 2:
			c.goodbye(packet.DisconnectWithWill)
		}
	}
}

// flapper takes over from itself again and again.
func (l *Load) flapper(c *client, _ <-chan struct{}) {
	for l.pause(c, 4) {
		c.connect()
	}
}
