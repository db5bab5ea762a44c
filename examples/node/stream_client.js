// node stream_client.js PATH|PORT TEXT - sends TEXT to a stream service (listen = unix:PATH or
// tcp:PORT), prints the answer.
const net = require("node:net");

const [where, text] = process.argv.slice(2);
// allowHalfOpen is for servers: a client's end() closes its own direction only.
const client = net.connect(/^\d+$/.test(where) ? Number(where) : where);
client.setTimeout(10_000, () => client.destroy(new Error("no answer in time")));
client.on("error", (error) => {
    console.error(error.message);
    process.exitCode = 1;
});
client.on("close", () => process.stdout.write("\n"));
client.pipe(process.stdout, { end: false });
client.end(text);
