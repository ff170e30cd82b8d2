"""A client in Python: it lists the tasks, runs one, changes its trigger, and sees the change in a watch.

    PYTHONPATH=OUT /usr/bin/python3 client/examples/python/tour.py 127.0.0.1:7433 TASK

TASK runs a command. OUT is where protoc has put the generated modules: see worker.py.
"""
import json, sys

import grpc
from clockd.v1 import run_pb2, task_pb2, task_service_pb2 as pb, task_service_pb2_grpc as rpc, trigger_pb2

address, name = sys.argv[1:]
tasks = rpc.TaskServiceStub(grpc.insecure_channel(address))

page = tasks.ListTasks(pb.ListTasksRequest(page_size=10))
for task in page.tasks:
    print("listed:", task.task_name, task_pb2.TaskState.Name(task.state))

# First what is, then each change.
watch = tasks.WatchTasks(pb.WatchTasksRequest(filter=pb.TaskFilter(name_prefix=name)))
for response in watch:
    if response.synced:
        break

run = tasks.RunTask(pb.RunTaskRequest(task_name=name, wait=True)).run
print("ran:", run_pb2.RunState.Name(run.state), json.dumps(run.output.struct_value["stdout"]))

two_hourly = trigger_pb2.Trigger(every=trigger_pb2.Every(interval={"seconds": 7200}))
update = tasks.UpdateTrigger(pb.UpdateTriggerRequest(task_name=name, trigger=two_hourly, reason="a tour in Python"))
print("updated:", update.task.trigger.every.interval.ToJsonString(), len(update.next_fires), "fires ahead")

for response in watch:
    changed = [task for task in response.tasks if task.HasField("override")]
    if changed:
        print("watched:", changed[0].trigger.every.interval.ToJsonString(), "for", changed[0].override.reason)
        break
watch.cancel()

# An error has a status, and says what is wrong and what would be right.
try:
    tasks.RunTask(pb.RunTaskRequest(task_name="no such task"))
except grpc.RpcError as e:
    print("refused:", e.code().name, e.details())
