package packet

// The functions here append one property each; the value stands for "absent" where it says so, and then nothing is
// written. They do not check in which packet they are: the structs have no field for a property that is not allowed.

func (w *writer) property(id propertyID) { w.b = append(w.b, byte(id)) }

// bitProperty writes 1; false is the default and absent.
func (w *writer) bitProperty(id propertyID, set bool) {
	if set {
		w.property(id)
		w.byte(1)
	}
}

// notProperty writes 0 for a property whose default is 1.
func (w *writer) notProperty(id propertyID, not bool) {
	if not {
		w.property(id)
		w.byte(0)
	}
}

// uint16Property writes n; 0 is absent.
func (w *writer) uint16Property(id propertyID, n uint16) {
	if n != 0 {
		w.property(id)
		w.uint16(n)
	}
}

// uint32Property writes n if has is true.
func (w *writer) uint32Property(id propertyID, n uint32, has bool) {
	if has {
		w.property(id)
		w.uint32(n)
	}
}

// textProperty writes s; "" is absent.
func (w *writer) textProperty(id propertyID, s, what string) {
	if s != "" {
		w.property(id)
		w.text(s, what)
	}
}

// binaryProperty writes b; nil is absent.
func (w *writer) binaryProperty(id propertyID, b []byte, what string) {
	if b != nil {
		w.property(id)
		w.binary(b, what)
	}
}

// subscriptionIDProperty writes id, which must be 1 to 268,435,455.
func (w *writer) subscriptionIDProperty(id uint32) {
	if id == 0 || id > maxVarint {
		w.fail("subscription identifier out of range")
		return
	}
	w.property(subscriptionID)
	w.b = appendVarint(w.b, int(id))
}

// userProperties writes the pairs in their order [MQTT-3.3.2-18].
func (w *writer) userProperties(user []UserProperty) {
	for i := range user {
		w.property(userProperty)
		w.text(user[i].Key, "user property")
		w.text(user[i].Value, "user property")
	}
}

// reasonAndUser writes the two properties that all acknowledgements share.
func (w *writer) reasonAndUser(reason string, user []UserProperty) {
	w.textProperty(reasonString, reason, "reason string")
	w.userProperties(user)
}
