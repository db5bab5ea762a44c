// node datagram_client.js PORT TEXT... - sends each TEXT as a datagram (listen = udp:PORT), prints
// the answers as they come. (Node has no datagrams on unix sockets.)
const dgram = require("node:dgram");

const [port, ...texts] = process.argv.slice(2);
const client = dgram.createSocket("udp4");
const late = setTimeout(() => {
    console.error("no answer in time");
    process.exit(1);
}, 10_000);
let left = texts.length;
client.on("message", (message) => {
    console.log(message.toString());
    if (--left === 0) {
        clearTimeout(late);
        client.close();
    }
});
client.connect(Number(port), "127.0.0.1", () => texts.forEach((text) => client.send(text)));
