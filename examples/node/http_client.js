// node http_client.js PATH URL-PATH - an HTTP request over a unix socket, as to the Docker API:
//     node http_client.js /run/docker.sock /version
const http = require("node:http");

const [socketPath, path] = process.argv.slice(2);
const request = http.get({ socketPath, path, timeout: 10_000 }, (answer) => {
    console.error(`HTTP ${answer.statusCode}`);
    answer.pipe(process.stdout);
});
request.on("timeout", () => request.destroy(new Error("no answer in time")));
request.on("error", (error) => {
    console.error(error.message);
    process.exitCode = 1;
});
