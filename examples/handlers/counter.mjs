// A handler in JavaScript: counts what it is told, remembers the last word, reminds. PORT=9000 by
// default.
//
//   spec: {handler: {container: {image: node:22, port: 9000, command: [node, /counter.mjs]}}}
import { createServer } from "node:http";

// One turn: the agent's state and what came in; the new state, and what is to happen.
function tick({ state, trigger: { envelope } }) {
  const count = (state?.count ?? 0) + 1;
  const answer = {
    state: { count },
    reply: `${count}: ${envelope.payload}`,
    kv: [{ put: "last", value: envelope.payload }],
  };
  if (envelope.payload === "remind me") {
    answer.alarms = [{ set: { name: "reminder", in: "1s", payload: "the reminder" } }];
  }
  return answer;
}

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const answer = tick(JSON.parse(Buffer.concat(chunks)));
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(answer));
}).listen(process.env.PORT ?? 9000, "127.0.0.1");
