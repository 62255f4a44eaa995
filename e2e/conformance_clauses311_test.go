package e2e

// clauses311 are the statements of MQTT 3.1.1 that concern a server, and how each is shown. Where one scene shows several,
// it stands under the first of them; CONFORMANCE.md says which.
func clauses311() []clause {
	return append(connecting311(), []clause{
		// Texts, flags, packet ids.
		{"MQTT-1.5.3-1", both(malformedPackets(illFormed), connectTexts("a\xc0\x80", "a\xed\xa0\x80"))},
		{"MQTT-1.5.3-2", both(malformedPackets(withNull), connectTexts("a\x00b"))},
		{"MQTT-1.5.3-3", byteOrderMark},
		{"MQTT-2.2.2-1", wholeState}, // every packet that a server sends; inspect looks at the flags
		{"MQTT-2.2.2-2", malformedPackets(wrongFlags)},
		{"MQTT-2.3.1-1", malformedPackets(zeroIDs)},
		{"MQTT-2.3.1-4", outgoingIDs},
		{"MQTT-2.3.1-6", answers},

		// PUBLISH.
		{"MQTT-3.3.1-2", malformedPackets(dupWithQoS0)},
		{"MQTT-3.3.1-3", dupNotPassedOn},
		{"MQTT-3.3.1-4", malformedPackets(qosThree)},
		{"MQTT-3.3.1-5", retainStores},
		{"MQTT-3.3.1-6", retainLast},
		{"MQTT-3.3.1-7", retainQoS0},
		{"MQTT-3.3.1-8", retainFlag},
		{"MQTT-3.3.1-10", retainEmpty},
		{"MQTT-3.3.1-12", retainNot},
		{"MQTT-3.3.2-1", malformedPackets(topicMissing)},
		{"MQTT-3.3.2-2", malformedPackets(topicWithWildcard)},
		{"MQTT-3.3.2-3", filtersMatch},
		{"MQTT-3.3.4-1", answers},
		{"MQTT-3.3.5-1", overlapping},
		{"MQTT-3.3.5-2", notAllowed},

		// SUBSCRIBE, UNSUBSCRIBE, the rest.
		{"MQTT-3.6.1-1", malformedPackets(only("PUBREL", wrongFlags))},
		{"MQTT-3.8.1-1", malformedPackets(only("SUBSCRIBE", wrongFlags))},
		{"MQTT-3.8.3-1", malformedPackets(only("filter,", illFormed))},
		{"MQTT-3.8.3-2", wildcardsServed},
		{"MQTT-3.8.3-3", malformedPackets(noFilter)},
		{"MQTT-3.8.3-4", malformedPackets(badOptions)},
		{"MQTT-3.8.4-1", subackIDs},
		{"MQTT-3.8.4-3", both(replaced, replacedInFlow, retainAgain)},
		{"MQTT-3.8.4-4", codesInOrder},
		{"MQTT-3.8.4-6", lowerQoS},
		{"MQTT-3.9.3-2", filtersRefused("a#", "#/a", "a+", "a/+b/c", "")},
		{"MQTT-3.10.1-1", malformedPackets(only("UNSUBSCRIBE", wrongFlags))},
		{"MQTT-3.10.3-1", malformedPackets(only("filter to unsubscribe", illFormed))},
		{"MQTT-3.10.3-2", malformedPackets(noFilterToUnsubscribe)},
		{"MQTT-3.10.4-1", unsubscribed},
		{"MQTT-3.10.4-3", completedAfterUnsubscribe},
		{"MQTT-3.10.4-5", unsubscribedNothing},
		{"MQTT-3.12.4-1", pings},
		{"MQTT-3.14.1-1", badGoodbye},
		{"MQTT-3.14.4-3", willDiscarded},

		// Sessions and delivery.
		{"MQTT-4.1.0-1", wholeState},
		{"MQTT-4.1.0-2", cleanWhileConnected},
		{"MQTT-4.3.1-1", sentQoS(0)},
		{"MQTT-4.3.2-1", sentQoS(1)},
		{"MQTT-4.3.2-2", sameIDAgain(1)},
		{"MQTT-4.3.3-1", both(sentQoS(2), releasedNotRepeated)},
		{"MQTT-4.3.3-2", both(onceOnly, sameIDAgain(2))},
		{"MQTT-4.4.0-1", both(repeatedInOrder, releasedNotRepeated, notRepeatedWhileConnected)},
		{"MQTT-4.5.0-1", both(addedForAll, payloadAsIs)},
		{"MQTT-4.6.0-2", acknowledgedInOrder(1)},
		{"MQTT-4.6.0-3", acknowledgedInOrder(2)},
		{"MQTT-4.6.0-4", releasedInOrder},
		{"MQTT-4.6.0-5", inOrder},

		// Topics.
		{"MQTT-4.7.1-2", filtersRefused("a#", "a/b#", "#/a", "a/#/b", "##", "+#", "#+")},
		{"MQTT-4.7.1-3", filtersRefused("a+", "+a", "a/+b", "a/b+/c", "++")},
		{"MQTT-4.7.2-1", dollarTopics},
		{"MQTT-4.7.3-1", both(malformedPackets(topicEmpty), filtersRefused(""))},
		{"MQTT-4.7.3-2", malformedPackets(withNull)},
		{"MQTT-4.7.3-3", longNames},
		{"MQTT-4.7.3-4", asWritten},
		{"MQTT-4.8.0-1", malformedPackets(misbehaviour311)},

		// WebSocket.
		{"MQTT-6.0.0-1", both(textFrame, binaryFrames)},
		{"MQTT-6.0.0-2", notAligned},
		{"MQTT-6.0.0-4", subprotocol},
	}...)
}

// connecting311 are those of sections 3.1 and 3.2, and wills.
func connecting311() []clause {
	return []clause{
		{"MQTT-3.1.2-24", keepAliveCounts}, // what takes time begins first
		{"MQTT-3.1.2-8", willPublished},

		{"MQTT-3.1.0-1", firstNotConnect},
		{"MQTT-3.1.0-2", secondConnect},
		{"MQTT-3.1.2-1", otherProtocolName},
		{"MQTT-3.1.2-2", otherLevel311},
		{"MQTT-3.1.2-3", reservedConnectFlag},
		{"MQTT-3.1.2-4", resumed},
		{"MQTT-3.1.2-5", storedMeanwhile},
		{"MQTT-3.1.2-6", discarded},
		{"MQTT-3.1.2-7", retainOutlivesSession},
		{"MQTT-3.1.2-9", willFieldsMissing},
		{"MQTT-3.1.2-10", willOnce},
		{"MQTT-3.1.2-11", willFlagsWithoutWill(0x08, 0x10, flagRetain, flagRetain|0x08)},
		{"MQTT-3.1.2-12", willNone},
		{"MQTT-3.1.2-13", willFlagsWithoutWill(0x08, 0x10)},
		{"MQTT-3.1.2-14", willQoS},
		{"MQTT-3.1.2-15", willFlagsWithoutWill(flagRetain)},
		{"MQTT-3.1.2-16", willNotRetained},
		{"MQTT-3.1.2-17", willRetained},
		{"MQTT-3.1.2-18", fieldTooMany(0, 1)},
		{"MQTT-3.1.2-19", fieldMissing(flagUsername)},
		{"MQTT-3.1.2-20", fieldTooMany(flagUsername, 2)},
		{"MQTT-3.1.2-21", fieldTooMany(flagUsername|flagPassword, 1)},
		{"MQTT-3.1.2-22", passwordWithoutName},
		{"MQTT-3.1.3-1", allFields},
		{"MQTT-3.1.3-2", idIsSession},
		{"MQTT-3.1.3-3", idMissing},
		{"MQTT-3.1.3-4", both(idNotText, idWithNull)},
		{"MQTT-3.1.3-5", idsAllowed},
		{"MQTT-3.1.3-6", idEmpty},
		{"MQTT-3.1.3-8", idEmptyKept311},
		{"MQTT-3.1.3-10", willTopicBroken},
		{"MQTT-3.1.3-11", nameBroken},
		{"MQTT-3.1.4-1", brokenConnects},
		{"MQTT-3.1.4-2", takenOver},
		{"MQTT-3.1.4-4", acceptedBytes},
		{"MQTT-3.1.4-5", refusedAndDeaf},
		{"MQTT-3.2.0-1", nothingBeforeConnack},
		{"MQTT-3.2.2-1", sessionPresent},
		{"MQTT-3.2.2-4", refusedWithoutSession},
		{"MQTT-3.2.2-5", refusedAndClosed},
	}
}
