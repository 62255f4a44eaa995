// A check that the pinned MQTT.js can be imported.
import mqtt from "mqtt";

console.log(typeof mqtt.connect, typeof mqtt.connectAsync);
