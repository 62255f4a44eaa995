package remoting

// ClientVersion is the version number our requests carry (V5_4_0 of RocketMQ's MQVersion).
const ClientVersion int16 = 493

// Request codes, with the ext fields of the request and of a good answer.
const (
	// SendMessage (v1): long field names of SendMessageV2's fields. Only read, never sent.
	SendMessage int32 = 10
	// PullMessage: consumerGroup topic queueId queueOffset maxMsgNums sysFlag
	// commitOffset suspendTimeoutMillis subscription subVersion expressionType bname.
	// Answers PullFound, PullNotFound, PullRetryImmediately, PullOffsetMoved with
	// suggestWhichBrokerId nextBeginOffset minOffset maxOffset; the body of
	// PullFound is a run of commit log messages, see DecodeMessages.
	PullMessage int32 = 11
	// QueryMessage: topic key maxNum beginTimestamp endTimestamp, and _UNIQUE_KEY_QUERY
	// = "true" if key is a UNIQ_KEY. Answers indexLastUpdateTimestamp
	// indexLastUpdatePhyoffset and commit log messages; QueryNotFound if none.
	QueryMessage int32 = 12
	// QueryConsumerOffset: consumerGroup topic queueId setZeroIfNotFound. Answers
	// offset, or QueryNotFound.
	QueryConsumerOffset int32 = 14
	// UpdateConsumerOffset: consumerGroup topic queueId commitOffset.
	UpdateConsumerOffset int32 = 15
	// UpdateAndCreateTopic: topic defaultTopic readQueueNums writeQueueNums perm
	// topicFilterType topicSysFlag order attributes.
	UpdateAndCreateTopic int32 = 17
	// GetBrokerConfig: answers the properties text of the configuration as body.
	GetBrokerConfig int32 = 26
	// GetBrokerRuntimeInfo: answers {"table":{...}}, brokerVersionDesc among them.
	GetBrokerRuntimeInfo int32 = 28
	// SearchOffsetByTimestamp: topic queueId timestamp (ms). Answers offset.
	SearchOffsetByTimestamp int32 = 29
	// GetMaxOffset: topic queueId (committed). Answers offset.
	GetMaxOffset int32 = 30
	// GetMinOffset: topic queueId. Answers offset.
	GetMinOffset int32 = 31
	// GetEarliestMsgStoreTime: topic queueId. Answers timestamp (ms).
	GetEarliestMsgStoreTime int32 = 32
	// HeartBeat: the body is a Heartbeat as JSON.
	HeartBeat int32 = 34
	// UnregisterClient: clientID producerGroup consumerGroup.
	UnregisterClient int32 = 35
	// ConsumerSendMsgBack: offset group delayLevel originMsgId originTopic maxReconsumeTimes.
	ConsumerSendMsgBack int32 = 36
	// GetConsumerListByGroup: consumerGroup. Answers {"consumerIdList":[...]} as body.
	GetConsumerListByGroup int32 = 38
	// NotifyConsumerIDsChanged is sent by brokers to consumers: consumerGroup.
	NotifyConsumerIDsChanged int32 = 40
	// GetAllConsumerOffset: no fields. Answers an OffsetTable as body.
	GetAllConsumerOffset int32 = 43
	// PutKVConfig: namespace key value.
	PutKVConfig int32 = 100
	// GetKVConfig: namespace key. Answers value, or QueryNotFound.
	GetKVConfig int32 = 101
	// RegisterBroker is sent by brokers to name servers.
	RegisterBroker int32 = 103
	// GetRouteInfoByTopic: topic acceptStandardJsonOnly. Answers a TopicRoute as
	// body, or TopicNotExist.
	GetRouteInfoByTopic int32 = 105
	// GetBrokerClusterInfo: no fields. Answers a ClusterInfo as body.
	GetBrokerClusterInfo int32 = 106
	// GetAllTopicListFromNameserver: no fields. Answers {"topicList":[...]} as body.
	GetAllTopicListFromNameserver int32 = 206
	// DeleteSubscriptionGroup: groupName cleanOffset.
	DeleteSubscriptionGroup int32 = 207
	// DeleteTopicInBroker: topic.
	DeleteTopicInBroker int32 = 215
	// DeleteTopicInNamesrv: topic.
	DeleteTopicInNamesrv int32 = 216
	// GetKVListByNamespace: namespace. Answers {"table":{...}} as body.
	GetKVListByNamespace int32 = 219
	// SendMessageV2: a producerGroup, b topic, c default topic, d default queue
	// count, e queueId, f sysFlag, g born ms, h flag, i properties, j reconsume,
	// k unit mode, l max reconsume, m batch, n broker name; the body is the
	// message's. Answers msgId queueId queueOffset.
	SendMessageV2 int32 = 310
	// SendBatchMessage: as SendMessageV2 with m=true; its LMQs are not indexed.
	SendBatchMessage int32 = 320
	// PopMessage: consumerGroup topic queueId maxMsgNums invisibleTime pollTime
	// bornTime initMode expType exp order bname. Answers popTime invisibleTime
	// reviveQid startOffsetInfo msgOffsetInfo restNum, or PollingFull,
	// PollingTimeout. JSON only.
	PopMessage int32 = 200050
	// AckMessage: consumerGroup topic queueId offset bname extraInfo. JSON only.
	AckMessage int32 = 200051
	// ChangeMessageInvisibleTime: as AckMessage with invisibleTime. Answers
	// popTime invisibleTime reviveQid. JSON only.
	ChangeMessageInvisibleTime int32 = 200053
	// BatchAckMessage: no fields; the body is a BatchAck as JSON. Answered 0
	// whether the messages are known or not. JSON only.
	BatchAckMessage int32 = 200151
)

// Response codes.
const (
	Success               int32 = 0
	SystemError           int32 = 1
	SystemBusy            int32 = 2
	RequestNotSupported   int32 = 3
	TransactionFailed     int32 = 4
	FlushDiskTimeout      int32 = 10 // stored in memory, not yet on disk
	SlaveNotAvailable     int32 = 11 // stored on the master only
	FlushSlaveTimeout     int32 = 12 // stored on the master, slave did not confirm
	MessageIllegal        int32 = 13
	ServiceNotAvailable   int32 = 14 // store refuses writes (disk full, index wedged)
	VersionNotSupported   int32 = 15
	NoPermission          int32 = 16
	TopicNotExist         int32 = 17
	PullNotFound          int32 = 19
	PullRetryImmediately  int32 = 20
	PullOffsetMoved       int32 = 21
	QueryNotFound         int32 = 22
	SubscriptionParse     int32 = 23
	SubscriptionNotExist  int32 = 24
	SubscriptionNotLatest int32 = 25
	SubscriptionGroupNone int32 = 26
	PollingFull           int32 = 209
	PollingTimeout        int32 = 210
	BrokerNotExist        int32 = 211
	FlowControl           int32 = 215
)
