// A client in JavaScript: it lists the tasks, runs one, changes its trigger, and sees the change in a watch. It reads
// proto/ as it is, and needs nothing generated. TASK runs a command.
//
//	npm install @grpc/grpc-js @grpc/proto-loader
//	node client/examples/node/tour.js 127.0.0.1:7433 TASK
'use strict';

const path = require('node:path');
const { promisify } = require('node:util');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [address, name] = process.argv.slice(2);
const definition = loader.loadSync('clockd/v1/task_service.proto', {
  includeDirs: [path.join(__dirname, '..', '..', '..', 'proto')],
  keepCase: true, longs: String, enums: String, oneofs: true,
});
const { TaskService } = grpc.loadPackageDefinition(definition).clockd.v1;
const client = new TaskService(address, grpc.credentials.createInsecure());
const call = (method, request) => promisify(client[method]).call(client, request);

async function main() {
  const page = await call('ListTasks', { page_size: 10 });
  for (const task of page.tasks) {
    console.log('listed:', task.task_name, task.state);
  }

  // First what is, then each change.
  const watch = client.WatchTasks({ filter: { name_prefix: name } });
  const responses = watch[Symbol.asyncIterator]();
  while (!(await responses.next()).value.synced);

  const { run } = await call('RunTask', { task_name: name, wait: true });
  console.log('ran:', run.state, JSON.stringify(run.output.structValue.fields.stdout.stringValue));

  const trigger = { every: { interval: { seconds: 7200 } } };
  const update = await call('UpdateTrigger', { task_name: name, trigger, reason: 'a tour in JavaScript' });
  console.log('updated:', `${update.task.trigger.every.interval.seconds}s`, update.next_fires.length, 'fires ahead');

  for (let changed; !changed;) {
    changed = (await responses.next()).value.tasks.find((task) => task.override);
    if (changed) {
      console.log('watched:', `${changed.trigger.every.interval.seconds}s`, 'for', changed.override.reason);
    }
  }
  watch.on('error', () => {}); // that it is canceled
  watch.cancel();

  // An error has a status, and says what is wrong and what would be right.
  await call('RunTask', { task_name: 'no such task' }).catch((e) => {
    console.log('refused:', grpc.status[e.code], e.details);
  });
  client.close();
}

main().catch((e) => {
  console.error(e);
  process.exitCode = 1;
});
