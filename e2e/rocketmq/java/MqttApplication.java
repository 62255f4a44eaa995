import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageAccessor;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.remoting.protocol.RemotingSerializable;
import org.apache.rocketmq.remoting.protocol.RemotingSysResponseCode;

/**
 * A RocketMQ application in Java that talks with MQTT clients: it publishes to them, and consumes what they publish. Only
 * rocketmq-client is needed.
 *
 * <pre>
 * java MqttApplication consume NAMESRV FIRST_TOPIC GROUP TAGS   prints what a push consumer gets, a JSON line a message
 * java MqttApplication publish NAMESRV                          sends the JSON lines of standard input, prints "ok" behind each
 * java MqttApplication names                                    prints the LMQ of each topic or filter (JSON strings) of standard input
 * </pre>
 */
public final class MqttApplication {
    /** A line: body is base64; filters are those that MQTT clients have subscribed to and that match, wildcards included. */
    public static final class Line {
        public String topic;
        public String tag;
        public String body;
        public Map<String, String> properties;
        public List<String> filters;
    }

    private static final int MAX_LMQ_BYTES = 200;
    private static PrintStream out;

    public static void main(String[] args) throws Exception {
        try {
            run(args);
        } catch (Exception e) {
            e.printStackTrace();
            System.exit(1); // the library's threads would keep a process without its main thread
        }
    }

    private static void run(String[] args) throws Exception {
        out = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err); // the library's logger talks when it starts
        if (args.length == 5 && args[0].equals("consume")) {
            consume(args[1], args[2], args[3], args[4]);
        } else if (args.length == 2 && args[0].equals("publish")) {
            publish(args[1]);
        } else if (args.length == 1 && args[0].equals("names")) {
            for (String line; (line = input().readLine()) != null; ) {
                out.println(RemotingSerializable.toJson(lmq(RemotingSerializable.fromJson(line, String.class)), false));
            }
        } else {
            throw new IllegalArgumentException("wrong arguments");
        }
    }

    /** MQTT to RocketMQ: an ordinary consumer of the first topic, with the tag of MQTT messages. */
    private static void consume(String namesrv, String firstTopic, String group, String tags) throws Exception {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(namesrv);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(firstTopic, tags);
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt m : messages) {
                Line line = new Line();
                line.topic = m.getTopic();
                line.tag = m.getTags();
                line.body = Base64.getEncoder().encodeToString(m.getBody());
                line.properties = m.getProperties(); // originMqttTopic is the MQTT topic
                synchronized (out) {
                    out.println(RemotingSerializable.toJson(line, false));
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        while (input().readLine() != null) {
            continue; // until whoever started this closes our input
        }
        consumer.shutdown();
    }

    /** RocketMQ to MQTT: an ordinary producer; the message names the queues of the filters that it is for. */
    private static void publish(String namesrv) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("MqttApplication");
        producer.setNamesrvAddr(namesrv);
        producer.setRetryTimesWhenSendFailed(0);
        producer.setSendMsgTimeout(30_000);
        producer.start();
        for (String text; (text = input().readLine()) != null; ) {
            Line line = RemotingSerializable.fromJson(text, Line.class);
            Message m = new Message(line.topic, line.tag, Base64.getDecoder().decode(line.body));
            if (line.properties != null) {
                for (Map.Entry<String, String> p : line.properties.entrySet()) {
                    MessageAccessor.putProperty(m, p.getKey(), p.getValue());
                }
            }
            if (line.filters != null && !line.filters.isEmpty()) {
                m.putUserProperty("INNER_MULTI_DISPATCH", dispatchList(line.filters));
            }
            SendResult sent = send(producer, m);
            out.println(sent.getSendStatus() == SendStatus.SEND_OK ? "ok" : sent.toString());
        }
        producer.shutdown();
    }

    /** Repeats what a busy broker refused for up to a minute: that is not stored. After a time-out nobody knows; it is thrown. */
    private static SendResult send(DefaultMQProducer producer, Message m) throws Exception {
        for (long deadline = System.nanoTime() + 60_000_000_000L; ; Thread.sleep(100)) {
            try {
                return producer.send(m);
            } catch (MQBrokerException e) {
                if (!isBusy(e) || System.nanoTime() > deadline) {
                    throw e;
                }
            } catch (MQClientException e) {
                if (!isBusy(e.getCause()) || System.nanoTime() > deadline) {
                    throw e;
                }
            }
        }
    }

    private static boolean isBusy(Throwable e) {
        return e instanceof MQBrokerException && ((MQBrokerException) e).getResponseCode() == RemotingSysResponseCode.SYSTEM_BUSY;
    }

    /** The queues of filters, each once: a name given twice loses the message there. */
    static String dispatchList(List<String> filters) throws Exception {
        List<String> names = new ArrayList<>();
        for (String filter : filters) {
            String name = lmq(filter);
            if (!names.contains(name)) {
                names.add(name);
            }
        }
        return String.join(",", names);
    }

    /** The light message queue of an MQTT topic or filter. */
    static String lmq(String name) throws Exception {
        String normalised = name.indexOf('/') >= 0 && !name.endsWith("/") ? name + "/" : name;
        String clear = "%LMQ%" + normalised.replace('/', '%');
        if (isOrdinary(name) && bytes(clear).length <= MAX_LMQ_BYTES) {
            return clear;
        }
        String first = (name.startsWith("/") ? name.substring(1) : name).split("/", 2)[0];
        String hash = base32(MessageDigest.getInstance("SHA-256").digest(bytes(normalised)));
        if (!isOrdinary(first) || bytes("%LMQ%" + first + "%~" + hash).length > MAX_LMQ_BYTES) {
            first = "";
        }
        return "%LMQ%" + first + "%~" + hash;
    }

    /** Whether all characters can be seen and none means something in a list of queues. */
    private static boolean isOrdinary(String s) {
        return s.codePoints().allMatch(c -> {
            switch (Character.getType(c)) {
                case Character.CONTROL:
                case Character.FORMAT:
                case Character.SURROGATE:
                case Character.PRIVATE_USE:
                case Character.UNASSIGNED:
                case Character.LINE_SEPARATOR:
                case Character.PARAGRAPH_SEPARATOR:
                    return false;
                case Character.SPACE_SEPARATOR:
                    return c == ' ';
                default:
                    return c != '%' && c != ',';
            }
        });
    }

    /** RFC 4648, upper case, without padding. */
    private static String base32(byte[] data) {
        StringBuilder b = new StringBuilder();
        int buffer = 0;
        int bits = 0;
        for (byte one : data) {
            buffer = (buffer << 8 | one & 0xff) & 0xfff;
            for (bits += 8; bits >= 5; bits -= 5) {
                b.append("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".charAt(buffer >> bits - 5 & 31));
            }
        }
        if (bits > 0) {
            b.append("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".charAt(buffer << 5 - bits & 31));
        }
        return b.toString();
    }

    private static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    private static BufferedReader reader;

    private static BufferedReader input() {
        if (reader == null) {
            reader = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        }
        return reader;
    }
}
